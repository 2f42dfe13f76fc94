package redisstore

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/socialpatra/keygate/apikey"
	"github.com/socialpatra/keygate/keystore"
)

// charged returns what workspaces were charged. damaged is about what could not
// be read, and stands for a charge that exhausts any quota.
func (s *Store) charged() (usage []apikey.WorkspaceUsage, damaged, err error) {
	if err := s.open(); err != nil {
		return nil, nil, err
	}
	m, err := s.conn.Do(s.conn.B().Hgetall().Key(s.names.charged).Build())
	if err != nil {
		return nil, nil, err
	}
	fields, err := m.AsStrMap()
	if err != nil {
		return nil, nil, err
	}
	for field, value := range fields {
		day, workspace, _ := strings.Cut(field, " ")
		d, wrong := strconv.ParseInt(day, 10, 32)
		if wrong != nil || apikey.CheckWorkspace(workspace) != nil {
			damaged = errors.Join(damaged, fmt.Errorf("%w: the use of a workspace is stored under the name %+q", keystore.ErrDamaged, field))
			continue
		}
		u := apikey.WorkspaceUsage{Workspace: workspace, Day: apikey.Day(d)}
		if u.Charged, wrong = strconv.ParseUint(value, 10, 64); wrong != nil {
			damaged = errors.Join(damaged, fmt.Errorf("the use of workspace %s on %s: %w: it is no number", workspace, u.Day, keystore.ErrDamaged))
			u.Charged = math.MaxUint32
		}
		usage = append(usage, u)
	}
	return usage, damaged, nil
}
