//go:build fleet

package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// TestDeadNode has a Cluster of which one node is dead, and stays so: a master or
// a replica, that gateways have the address of or not. After the failover nothing
// fails any more.
func TestDeadNode(t *testing.T) {
	const heartbeat, masters = 100 * time.Millisecond, 3
	calm, runs := time.Second, 1
	if os.Getenv("KEYGATE_LONG") != "" {
		calm, runs = time.Minute, 5
	}
	for run := range runs {
		for _, dead := range []int{0, masters} { // a master, the replica of one
			for _, configured := range []bool{true, false} {
				t.Run(fmt.Sprintf("node %d, configured %t, run %d", dead, configured, run), func(t *testing.T) {
					cluster := redistest.StartReplicatedCluster(t, masters)
					addresses := cluster.Addrs()
					if !configured {
						addresses = append(addresses[:dead:dead], addresses[dead+1:]...)
					}
					c, err := Dial(Config{Addresses: addresses, Heartbeat: heartbeat, Timeout: patience})
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					tracking, err := c.Track([]string{"a"}, func(string) {}, Beat{
						Ask:   func(rueidis.Builder) []rueidis.Completed { return nil },
						Heard: func([]Reply) error { return nil },
					})
					if err != nil {
						t.Fatal(err)
					}
					defer tracking.Close()
					other := cluster.Servers[1]
					cluster.Servers[dead].Kill9()
					redistest.Until(t, "the others know that it is dead, and replace it", func() bool {
						nodes := other.Do("CLUSTER", "NODES")
						return strings.Contains(nodes, "fail") && strings.Contains(other.Do("CLUSTER", "INFO"), "cluster_state:ok") &&
							strings.Count(nodes, "master")-strings.Count(nodes, "master,fail") == masters
					})
					redistest.Until(t, "the engine is believed", func() bool { return c.Away() == nil && tracking.Proven(tracking.Generation()) })
					late := func() (late int) {
						for n, since := 0, time.Now(); time.Since(since) < calm; n++ {
							_, err := c.Do(c.B().Set().Key("b" + strconv.Itoa(n)).Value("").Build())
							switch {
							case err == nil:
							case strings.Contains(err.Error(), context.DeadlineExceeded.Error()):
								late++
								t.Logf("after %s: %v", time.Since(since), err)
							default: // the dead node was asked
								t.Errorf("%s after the failover: %v", time.Since(since), err)
							}
							pause(t.Context(), time.Millisecond)
						}
						return late
					}
					spans := 0 // with late calls; a machine that stops makes some in one
					for spans < 3 && late() > 0 {
						spans++
					}
					if spans == 3 {
						t.Error("calls are late after the failover")
					}
					redistest.Until(t, "all keys can be looked at", func() bool {
						err := c.Scan("b", func([]string) error { return nil })
						if err != nil && !errors.Is(err, ErrUnavailable) { // until the new master is known to all connections
							t.Fatal(err)
						}
						return err == nil
					})
				})
			}
		}
	}
}
