package plugin_test

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	Before   struct{ Hooks []string }
	Archives []struct{ Files []releaseFile }
	Nfpms    []struct {
		Contents []struct{ Src string }
		Scripts  map[string]string
	}
	Dockers []struct {
		Dockerfile string
		ExtraFiles []string `yaml:"extra_files"`
	} `yaml:"dockers_v2"`
}

// releaseFile is a file by its path, or by more.
type releaseFile string

func (f *releaseFile) UnmarshalYAML(value *yaml.Node) error {
	if value.Kind == yaml.ScalarNode {
		return value.Decode((*string)(f))
	}
	var more struct{ Src string }
	err := value.Decode(&more)
	*f = releaseFile(more.Src)
	return err
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
	t.Parallel()
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
	t.Parallel()
	r := readRelease(t)
	files := append([]string{r.Dockers[0].Dockerfile}, r.Dockers[0].ExtraFiles...)
	for _, file := range r.Archives[0].Files {
		files = append(files, string(file))
	}
	for _, c := range r.Nfpms[0].Contents {
		files = append(files, c.Src)
	}
	for _, script := range r.Nfpms[0].Scripts {
		files = append(files, script)
		if info, err := os.Stat(filepath.Join("..", script)); err == nil && info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s cannot be executed", script)
		}
	}
	const notices = "build/THIRD_PARTY_NOTICES" // is made by a hook, and goes everywhere where the LICENSE goes
	made := slices.ContainsFunc(r.Before.Hooks, func(hook string) bool {
		return strings.Contains(hook, "go run ./cmd/notices ") && strings.Contains(hook, ">"+notices)
	})
	count := func(name string) (n int) {
		for _, file := range files {
			if file == name {
				n++
			}
		}
		return n
	}
	if n := count("LICENSE"); n != 3 || count(notices) != n || !made {
		t.Errorf("the licence goes along %d times, those of others %d times; they are made: %t", n, count(notices), made)
	}
	for _, file := range files {
		if file == notices {
			continue
		}
		if found, err := filepath.Glob(filepath.Join("..", file)); err != nil || len(found) == 0 {
			t.Errorf("a release needs %s: %v", file, err)
		}
	}
}

// What is linked goes along with its licences: those of each module of the very
// program.
func TestNotices(t *testing.T) {
	t.Parallel()
	program, err := caddyBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "./cmd/notices", program)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil || len(info.Deps) < 50 {
		t.Fatalf("%d modules, %v", len(info.Deps), err)
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		if !strings.Contains(string(out), "\n"+m.Path+"@"+m.Version+", ") {
			t.Errorf("%s has no notice", m.Path)
		}
	}
	if !strings.Contains(string(out), "Go and its standard library, LICENSE\n\nCopyright") {
		t.Error("Go has no notice")
	}
	for _, file := range []string{"deploy/Dockerfile", "deploy/Dockerfile.release"} {
		if !regexp.MustCompile(`(?m)^COPY .*LICENSE .*THIRD_PARTY_NOTICES /usr/share/doc/keygate/$`).MatchString(readFile(t, file)) {
			t.Errorf("%s has no licences", file)
		}
	}
}

// The package makes the user that the manual makes.
func TestPackageUser(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
