// Package explain says in plain words why a relationship is in its state, what happens to it next and why nothing else does, and
// who was told of it and will be.
//
// [Tell] makes a [Story] of a dossier: data first, sentence by sentence, each with the instant and the line of the policy that it
// speaks of. Every language is a table of the same phrases ([english], [japanese]), so that what is said never depends on the
// language in which it is said.
package explain
