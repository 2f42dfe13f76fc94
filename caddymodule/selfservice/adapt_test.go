package selfservice

import (
	"testing"

	"github.com/socialpatra/keygate/internal/adapttest"
)

func TestAdapt(t *testing.T) { adapttest.Adapts(t) }

func TestMistakes(t *testing.T) { adapttest.Mistakes(t) }
