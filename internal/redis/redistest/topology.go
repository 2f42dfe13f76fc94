package redistest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Set is a master with replicas, and the sentinels that watch over them.
type Set struct {
	Name      string // of the master set
	Servers   []*Server
	Sentinels []*Server
}

// StartSet starts a master, which is the first of Servers, so many replicas,
// and so many sentinels, which replace a master after 500 ms of silence. One
// sentinel decides alone; several take seconds to find each other.
func StartSet(t testing.TB, replicas, sentinels int) *Set {
	t.Helper()
	set := &Set{Name: "keys"}
	master := Start(t, "--repl-diskless-sync-delay", "0")
	set.Servers = append(set.Servers, master)
	for range replicas {
		set.Servers = append(set.Servers, Start(t, "--replicaof", "127.0.0.1 "+master.Port, "--repl-diskless-sync-delay", "0"))
	}
	for _, replica := range set.Servers[1:] {
		Until(t, "the replica is in step", func() bool { return strings.Contains(replica.Do("INFO", "replication"), "master_link_status:up") })
	}
	for range sentinels {
		sentinel := newServer(t, "redis-sentinel")
		config := "port " + sentinel.Port + "\nbind 127.0.0.1\ndir " + sentinel.dir + `
sentinel monitor keys 127.0.0.1 ` + master.Port + ` ` + strconv.Itoa(sentinels/2+1) + `
sentinel down-after-milliseconds keys 500
sentinel failover-timeout keys 5000
`
		path := filepath.Join(sentinel.dir, "sentinel.conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel.args = []string{path}
		sentinel.start()
		set.Sentinels = append(set.Sentinels, sentinel)
	}
	for _, sentinel := range set.Sentinels {
		Until(t, "the sentinels know each other and the replicas", func() bool {
			// A list of names and values, a line each.
			state := "\n" + sentinel.Do("SENTINEL", "MASTER", set.Name) + "\n"
			return strings.Contains(state, "\nnum-other-sentinels\n"+strconv.Itoa(sentinels-1)+"\n") && !strings.Contains(state, "\nnum-slaves\n0\n")
		})
	}
	return set
}

// Addrs are the addresses of the sentinels.
func (s *Set) Addrs() []string { return addrs(s.Sentinels) }

// Master returns the server that the sentinels hold to be the master.
func (s *Set) Master() *Server {
	answer, _ := s.Sentinels[0].Try("SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name)
	for _, server := range s.Servers {
		if strings.HasSuffix(answer, "\n"+server.Port) {
			return server
		}
	}
	return nil
}

// Cluster is a Cluster: first its masters, then a replica of each, or none.
type Cluster struct{ Servers []*Server }

// StartCluster starts so many masters, each with its share of the slots.
func StartCluster(t testing.TB, masters int) *Cluster { return startCluster(t, masters, 0) }

// StartReplicatedCluster is StartCluster with a replica of each master.
func StartReplicatedCluster(t testing.TB, masters int) *Cluster {
	return startCluster(t, masters, masters)
}

func startCluster(t testing.TB, masters, replicas int) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range masters + replicas {
		c.Servers = append(c.Servers, Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"))
	}
	const slots = 16384
	for i, s := range c.Servers {
		if i < masters {
			s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/masters), strconv.Itoa((i+1)*slots/masters-1))
		}
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			s.Do("CLUSTER", "MEET", "127.0.0.1", c.Servers[0].Port)
		}
	}
	for _, s := range c.Servers {
		Until(t, "the Cluster is whole", func() bool {
			state := s.Do("CLUSTER", "INFO")
			return strings.Contains(state, "cluster_state:ok") && strings.Contains(state, "cluster_known_nodes:"+strconv.Itoa(masters+replicas)) &&
				strings.Contains(state, "cluster_size:"+strconv.Itoa(masters))
		})
	}
	for i := range replicas {
		replica, master := c.Servers[masters+i], c.Servers[i].Do("CLUSTER", "MYID")
		Until(t, "the replica knows its master", func() bool { _, err := replica.Try("CLUSTER", "REPLICATE", master); return err == nil })
		Until(t, "the replica is in step", func() bool { return strings.Contains(replica.Do("INFO", "replication"), "master_link_status:up") })
	}
	for _, s := range c.Servers { // which tell it to clients
		Until(t, "all know the replicas", func() bool {
			return strings.Count(s.Do("CLUSTER", "NODES"), " slave ")+strings.Count(s.Do("CLUSTER", "NODES"), "myself,slave ") == replicas
		})
	}
	return c
}

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string { return addrs(c.Servers) }

func addrs(servers []*Server) (list []string) {
	for _, s := range servers {
		list = append(list, s.Addr)
	}
	return list
}
