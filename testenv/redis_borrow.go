package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// How long a test may keep a database of a named server. One that was killed leaves its database behind; after this
	// it is emptied and lent again.
	leaseTime = 30 * time.Minute
	// How long a test waits while all databases are lent to others.
	borrowLimit = time.Minute

	leaseKey = "tenure-testenv:lease:" // + number: the lease of a database, expires by itself
	oursKey  = "tenure-testenv:ours"   // set of numbers that were lent and not given back
)

var errNoFreeRedis = errors.New("none of its databases is free")

// borrowRedis lends the test one of the numbered databases of the named server and empties it when the test ends.
// Who has which is written down in the database that the URL names (0 if none), so several test binaries may share the
// server; that one is never lent. A database that holds keys not put there by a borrower is left alone.
func borrowRedis(t testing.TB, named string) string {
	t.Helper()
	options, err := parseRedisURL(named)
	if err != nil {
		t.Fatalf("testenv: %v\nNext: mend it, or unset it to have a server started.", err)
	}
	number, err := awaitDatabase(options)
	if err != nil {
		t.Fatalf("testenv: borrow a database of the Redis at %s: %v\nNext: see that the server runs, FLUSHDB what was forgotten there, or unset %s to have one started.",
			options.Addr, err, redisVariable)
	}
	t.Cleanup(func() {
		if err := giveBack(options, number); err != nil {
			t.Errorf("testenv: give back database %d of the Redis at %s: %v", number, options.Addr, err)
		}
	})
	return withDatabase(named, number)
}

func parseRedisURL(named string) (*redis.Options, error) {
	options, err := redis.ParseURL(named)
	if err != nil || !strings.HasPrefix(named, "redis") {
		// The text itself stays out of the message: it may hold a password.
		return nil, fmt.Errorf("%s is not a URL like redis://127.0.0.1:6379", redisVariable)
	}
	options.DialerRetries = 1 // a named server is there, or it is not
	return options, nil
}

func awaitDatabase(options *redis.Options) (int, error) {
	desk := redis.NewClient(options)
	defer desk.Close()
	ctx, cancel := context.WithTimeout(context.Background(), borrowLimit)
	defer cancel()
	for {
		number, err := findDatabase(ctx, desk, options)
		if err == nil || !errors.Is(err, errNoFreeRedis) {
			return number, err
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w, and none became so within %v", errNoFreeRedis, borrowLimit)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func findDatabase(ctx context.Context, desk *redis.Client, options *redis.Options) (int, error) {
	for number := range 1024 { // far beyond any real server; SELECT says where this one's end
		if number == options.DB {
			continue
		}
		taken, err := takeDatabase(ctx, desk, options, number)
		switch {
		case err != nil && strings.Contains(err.Error(), "out of range"):
			return 0, errNoFreeRedis
		case err != nil:
			return 0, err
		case taken:
			return number, nil
		}
	}
	return 0, errNoFreeRedis
}

// takeDatabase takes the lease of one database and empties it, unless somebody else has it or has filled it.
func takeDatabase(ctx context.Context, desk *redis.Client, options *redis.Options, number int) (bool, error) {
	lease := leaseKey + strconv.Itoa(number)
	got, err := desk.SetNX(ctx, lease, "lent", leaseTime).Result()
	if err != nil || !got {
		return false, err
	}
	database := openDatabase(options, number)
	defer database.Close()
	keys, err := database.DBSize(ctx).Result()
	if err != nil {
		return false, errors.Join(err, desk.Del(ctx, lease).Err())
	}
	lentBefore, err := desk.SIsMember(ctx, oursKey, number).Result()
	if err != nil {
		return false, err
	}
	if keys > 0 && !lentBefore {
		return false, desk.Del(ctx, lease).Err()
	}
	return true, errors.Join(desk.SAdd(ctx, oursKey, number).Err(), database.FlushDB(ctx).Err())
}

func giveBack(options *redis.Options, number int) error {
	ctx, cancel := context.WithTimeout(context.Background(), borrowLimit)
	defer cancel()
	database := openDatabase(options, number)
	defer database.Close()
	desk := redis.NewClient(options)
	defer desk.Close()
	return errors.Join(
		database.FlushDB(ctx).Err(),
		desk.SRem(ctx, oursKey, number).Err(),
		desk.Del(ctx, leaseKey+strconv.Itoa(number)).Err(),
	)
}

func openDatabase(options *redis.Options, number int) *redis.Client {
	its := *options
	its.DB = number
	return redis.NewClient(&its)
}

// withDatabase is the named URL with another database number in it.
func withDatabase(named string, number int) string {
	its, err := url.Parse(named)
	if err != nil { // parseRedisURL has accepted it with the same parser
		panic(err)
	}
	its.Path = "/" + strconv.Itoa(number)
	query := its.Query()
	query.Del("db") // would win over the path
	its.RawQuery = query.Encode()
	return its.String()
}
