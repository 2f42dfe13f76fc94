package command

import (
	"testing"

	"github.com/socialpatra/keygate/keystore"
)

func TestAuditAction(t *testing.T) {
	for _, tt := range []struct{ action, reason, want string }{
		{"revoke", "", "revoke"},
		{"revoke", "leaked", "revoke (leaked)"},
		{"expiring", "30d", "expires in 30 days"},
		{"expiring", "1d", "expires in 1 day"},
		{"expiring", "", "expiring"},
		{"expiring", "soon", "expiring (soon)"},
		{"disable", "7d", "disable (7d)"},
	} {
		if got := auditAction(&keystore.AuditEntry{Action: tt.action, Reason: tt.reason}); got != tt.want {
			t.Errorf("%s for %q: %s; want %s", tt.action, tt.reason, got, tt.want)
		}
	}
}
