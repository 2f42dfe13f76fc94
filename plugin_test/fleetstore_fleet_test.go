//go:build fleet

package plugin_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// What a gateway does is the same whatever keeps its keys: tests that are not of
// the store file pass on Redis as well.
func TestGatewayOnRedis(t *testing.T) {
	server := redistest.Start(t)
	var prefix atomic.Int32
	storeInstead = func(testing.TB) string {
		return fleetStore(server.Addr, fmt.Sprintf("prefix test-%d", prefix.Add(1)), patient)
	}
	defer func() { storeInstead = nil }()
	t.Run("all", onRedis) // returns when those at once have ended, too
	withKeys := 0
	for n := range prefix.Load() {
		if keys := server.Do("ZCARD", fmt.Sprintf("{test-%d}:idx", n+1)); keys != "" && keys != "0" {
			withKeys++
		}
	}
	if withKeys == 0 {
		t.Error("no gateway has keys on the engine")
	}
}

func onRedis(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"KeyOpensWhatItsScopesName", TestKeyOpensWhatItsScopesName},
		{"Denials", TestDenials},
		{"BackendSeesOneIdentity", TestBackendSeesOneIdentity},
		{"ErrorsCaddyHandsOver", TestErrorsCaddyHandsOver},
		{"ResponsesCarryOurHeaders", TestResponsesCarryOurHeaders},
		{"ChangesAreInForceAtOnce", TestChangesAreInForceAtOnce},
		{"UpdateAdjustsTheRunningBucket", TestUpdateAdjustsTheRunningBucket},
		{"Rotate", TestRotate},
		{"UsageAndAudit", TestUsageAndAudit},
		{"Explain", TestExplain},
		{"IfMatch", TestIfMatch},
		{"ImportOfForeignKeys", TestImportOfForeignKeys},
		{"MinuteLimit", TestMinuteLimit},
		{"ParallelRequestsPassNoMoreThanTheBucket", TestParallelRequestsPassNoMoreThanTheBucket},
		{"Burst", TestBurst},
		{"DayQuota", TestDayQuota},
		{"Cost", TestCost},
		{"BucketsOutliveAReload", TestBucketsOutliveAReload},
		{"RateLimitHeadersOff", TestRateLimitHeadersOff},
		{"FailedAuthentications", TestFailedAuthentications},
		{"Logs", TestLogs},
		{"Metrics", TestMetrics},
		{"KeyLife", TestKeyLife},
		{"ScopesShowRoutes", TestScopesShowRoutes},
		{"Refusals", TestRefusals},
		{"AdminAPIRefusals", TestAdminAPIRefusals},
		{"TokenIsNowhere", TestTokenIsNowhere},
		{"ForeignTokenIsNowhere", TestForeignTokenIsNowhere},
		{"WebSocketEndsWithItsKey", TestWebSocketEndsWithItsKey},
		{"WorkspaceLimits", TestWorkspaceLimits},
		{"WorkspaceDay", TestWorkspaceDay},
		{"WorkspaceLimitsInParallel", TestWorkspaceLimitsInParallel},
		{"MinuteBucketOutlivesAStop", TestMinuteBucketOutlivesAStop},
	} {
		t.Run(test.name, test.run)
	}
}
