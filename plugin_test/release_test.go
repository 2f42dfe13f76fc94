package plugin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// release is the part of .goreleaser.yaml that has to agree with other files.
type release struct {
	Builds []struct {
		Env, Flags, Ldflags, Tags []string
	}
	Archives []struct{ Files []string }
	Nfpms    []struct {
		Contents []struct{ Src string }
		Scripts  map[string]string
	}
	Dockers []struct{ Dockerfile string } `yaml:"dockers_v2"`
}

func readRelease(t testing.TB) (r release) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readFile(t, ".goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Builds) != 1 || len(r.Archives) != 1 || len(r.Nfpms) != 1 || len(r.Dockers) != 1 {
		t.Fatalf("a release is a build, an archive, a package and an image, not %+v", r)
	}
	return r
}

// A release is built as xcaddy.json says, which is what is measured and what is
// in deploy/Dockerfile, and is static.
func TestReleaseBuild(t *testing.T) {
	var xcaddy struct {
		Flags   string `json:"build_flags"`
		Profile string `json:"pgo_profile"`
	}
	if err := json.Unmarshal([]byte(readFile(t, "xcaddy.json")), &xcaddy); err != nil {
		t.Fatal(err)
	}
	build := readRelease(t).Builds[0]
	got := strings.Join(build.Flags[:1], " ") + ` -ldflags "` + strings.Join(build.Ldflags, " ") + `" -tags ` + strings.Join(build.Tags, ",")
	if got != xcaddy.Flags {
		t.Errorf("a release is built with %s, xcaddy.json with %s", got, xcaddy.Flags)
	}
	if !slices.Equal(build.Flags[1:], []string{"-pgo=" + xcaddy.Profile}) || !slices.Contains(build.Env, "CGO_ENABLED=0") {
		t.Errorf("a release is built with %q and %q", build.Flags, build.Env)
	}
}

func TestReleaseFiles(t *testing.T) {
	r := readRelease(t)
	files := append(r.Archives[0].Files, r.Dockers[0].Dockerfile)
	for _, c := range r.Nfpms[0].Contents {
		files = append(files, c.Src)
	}
	for _, script := range r.Nfpms[0].Scripts {
		files = append(files, script)
		if info, err := os.Stat(filepath.Join("..", script)); err == nil && info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s cannot be executed", script)
		}
	}
	for _, file := range files {
		if found, err := filepath.Glob(filepath.Join("..", file)); err != nil || len(found) == 0 {
			t.Errorf("a release needs %s: %v", file, err)
		}
	}
}

// The package makes the user that the manual makes.
func TestPackageUser(t *testing.T) {
	const add = "useradd --system --user-group --home-dir /var/lib/keygate --shell /usr/sbin/nologin keygate\n"
	for _, file := range []string{"deploy/debian/postinst", "docs/operators.md"} {
		if !strings.Contains(readFile(t, file), add) {
			t.Errorf("%s does not run %s", file, add)
		}
	}
}

// The image of a release is that of deploy/Dockerfile, but for where its files
// come from.
func TestReleaseImage(t *testing.T) {
	shipped := func(path string) (stage []instruction) {
		for _, in := range readDockerfile(t, path) {
			if in.name == "FROM" {
				stage = nil
			}
			if words := strings.Fields(in.args); in.name == "COPY" {
				in.args = words[len(words)-1]
			}
			if in.name != "ARG" {
				stage = append(stage, in)
			}
		}
		return stage
	}
	if built, released := shipped("deploy/Dockerfile"), shipped("deploy/Dockerfile.release"); !slices.Equal(built, released) {
		t.Errorf("deploy/Dockerfile ships\n%v\ndeploy/Dockerfile.release\n%v", built, released)
	}
}
