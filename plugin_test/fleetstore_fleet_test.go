//go:build fleet

package plugin_test

import (
	"fmt"
	"testing"

	"github.com/socialpatra/keygate/internal/redis/redistest"
)

// What a gateway does is the same whatever keeps its keys: tests that are not of
// the store file pass on Redis as well.
func TestGatewayOnRedis(t *testing.T) {
	server := redistest.Start(t)
	prefix := 0
	storeInstead = func(testing.TB) string {
		prefix++
		return fleetStore(server.Addr, fmt.Sprintf("prefix test-%d", prefix), patient)
	}
	defer func() { storeInstead = nil }()
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
	if n := server.Do("ZCARD", fmt.Sprintf("{test-%d}:idx", prefix)); n == "" || n == "0" {
		t.Errorf("the last gateway has %q keys on the engine", n)
	}
}
