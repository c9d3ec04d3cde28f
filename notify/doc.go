// Package notify tells people by mail, in their own language, what has happened or is about to happen to a relationship.
//
// It goes from notice to message to person. A [Notifier] writes a letter ([Notifier.Render]): always the same bytes for the
// same letter, so that a second attempt is the same mail and not another one. Then it hands the message to its [Channel], the
// way on which it leaves.
//
// A channel is a file that registers the schemes of its addresses (files.go, log.go, webhook.go; smtp.go with what it keeps of its
// servers in smtp_*.go); a language is one file (templates/en.tmpl, templates/ja.tmpl). Adding one touches nothing else.
//
// What is said is in those templates, once for each kind and language; the two layouts beside them turn it into plain text and into
// HTML. Operators may put templates of their own over them ([Options].TemplateDir). Everything that comes from a record passes
// through clean on its way into a template, and nothing else does.
//
// Programs are told, too: [Subscriptions] are channels that come and go, and a [Provisioner] posts orders to the system that gives
// access. Both post signed JSON as a [Webhook] does (post.go), and need no wording.
package notify
