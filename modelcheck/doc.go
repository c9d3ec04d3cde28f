// Package modelcheck is an independent model of the contract in docs/domain.md: it shares no code with
// package lifecycle, and `tenure simulate` is held against it, record by record, on seeded random runs.
//
// Everything is in the test files: model_test.go is the model, diary_test.go holds it against diaries worked out
// by hand, generate_test.go makes the runs, and model_check_test.go holds the command against the model.
// TENURE_MODEL_SEEDS=200 runs more of them, TENURE_MODEL_SEEDS==17 one.
package modelcheck
