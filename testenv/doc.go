// Package testenv starts the real PostgreSQL and Redis that tests run against.
//
// A test asks for what it needs and gets it for itself alone:
//
//	db := testenv.Postgres(t)  // URL of a fresh, empty database
//	rdb := testenv.Redis(t)    // URL of an empty Redis
//
// Nothing has to be set up or torn down: no TestMain, no container. What was started is gone when the test binary is
// gone, however it ended (see process). A server that cannot be had fails the test and says what to do; it never skips it,
// because a suite that skips its databases is green for no reason.
//
// To run against servers that are there already, name them: TENURE_TEST_POSTGRES_URL and TENURE_TEST_REDIS_URL.
package testenv

const (
	postgresVariable = "TENURE_TEST_POSTGRES_URL"
	redisVariable    = "TENURE_TEST_REDIS_URL"
)
