package jobs

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// InProcessRedis is a queue without a service: a Redis inside this process, spoken to through pipes, so that the embedded
// default runs the same scanners, queue and workers as a real deployment. It keeps nothing over a restart and need not: the
// database remembers. It ends with ctx, after which the client only answers with errors.
func InProcessRedis(ctx context.Context) (redis.UniversalClient, error) {
	server := miniredis.NewMiniRedis()
	client := redis.NewClient(&redis.Options{
		Addr:            "in-process",
		Dialer:          func(context.Context, string, string) (net.Conn, error) { return server.Dial() },
		DisableIdentity: true,
	})
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("starting the in-process queue: %w", err)
	}
	go func() {
		// Its keys' times to live stand still by themselves.
		const second = time.Second
		tick := time.NewTicker(second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				_ = client.Close()
				server.Close()
				return
			case <-tick.C:
				server.FastForward(second)
			}
		}
	}()
	return client, nil
}
