package plugin_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// manifest is deploy/kubernetes.yaml, by kind; it has one object of each.
type manifest map[string]map[string]any

func readManifest(t testing.TB) manifest {
	t.Helper()
	text, err := os.ReadFile("../deploy/kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := make(manifest)
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var object map[string]any
		switch err := d.Decode(&object); {
		case errors.Is(err, io.EOF):
			return m
		case err != nil:
			t.Fatal(err)
		}
		kind, _ := object["kind"].(string)
		if m[kind] != nil || object["apiVersion"] == nil {
			t.Fatalf("a second %q, or one without apiVersion", kind)
		}
		m[kind] = object
	}
}

func (m manifest) caddyfile(t testing.TB) string {
	t.Helper()
	text, _ := at(m["ConfigMap"], "data", "Caddyfile").(string)
	if text == "" {
		t.Fatal("the ConfigMap has no Caddyfile")
	}
	return text
}

// at descends into maps, and into lists by the name of an entry. It returns
// nil where there is nothing.
func at(value any, path ...string) any {
	for _, name := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i := slices.IndexFunc(v, func(entry any) bool { return at(entry, "name") == name })
			if i < 0 {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func TestManifest(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	pod := at(m["Deployment"], "spec", "template", "spec")
	sidecar := at(pod, "containers", "keygate")
	for path, want := range map[string]any{
		"replicas":      1, // one process owns the store
		"strategy/type": "Recreate",
		"template/spec/automountServiceAccountToken":                                false,
		"template/spec/securityContext/runAsNonRoot":                                true,
		"template/spec/securityContext/runAsUser":                                   65532, // as in the image
		"template/spec/securityContext/fsGroupChangePolicy":                         "OnRootMismatch",
		"template/spec/securityContext/seccompProfile/type":                         "RuntimeDefault",
		"template/spec/containers/keygate/securityContext/readOnlyRootFilesystem":   true,
		"template/spec/containers/keygate/securityContext/allowPrivilegeEscalation": false,
		"template/spec/containers/backend/securityContext/allowPrivilegeEscalation": false,
		"template/spec/containers/backend/ports":                                    nil, // reached on localhost alone
		"template/spec/volumes/config/configMap/name":                               at(m["ConfigMap"], "metadata", "name"),
		"template/spec/volumes/keys/persistentVolumeClaim/claimName":                at(m["PersistentVolumeClaim"], "metadata", "name"),
		"template/metadata/labels/app":                                              at(m["Service"], "spec", "selector", "app"),
		"selector/matchLabels/app":                                                  at(m["NetworkPolicy"], "spec", "podSelector", "matchLabels", "app"),
	} {
		if got := at(m["Deployment"], append([]string{"spec"}, strings.Split(path, "/")...)...); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	for _, container := range []string{"backend", "keygate"} {
		if drop, _ := at(pod, "containers", container, "securityContext", "capabilities", "drop").([]any); !slices.Equal(drop, []any{"ALL"}) {
			t.Errorf("%s drops %v, want ALL", container, drop)
		}
		for _, path := range [][]string{{"requests", "cpu"}, {"requests", "memory"}, {"limits", "memory"}} {
			if at(pod, append([]string{"containers", container, "resources"}, path...)...) == nil {
				t.Errorf("%s has no resources %v", container, path)
			}
		}
	}
	for _, probe := range []string{"startupProbe", "readinessProbe"} {
		command, _ := at(sidecar, probe, "exec", "command").([]any)
		if !slices.Equal(command, []any{"/usr/local/bin/caddy", "keygate", "health"}) {
			t.Errorf("%s runs %v", probe, command)
		}
	}
	mounted := make(map[any]bool)
	mounts, _ := at(sidecar, "volumeMounts").([]any)
	for _, mount := range mounts {
		mounted[at(mount, "mountPath")] = at(pod, "volumes", at(mount, "name").(string)) != nil
	}
	for _, path := range []string{"/etc/keygate", "/var/lib/keygate", "/run/keygate"} {
		if !mounted[path] {
			t.Errorf("nothing is mounted at %s", path)
		}
	}
}

// Only the gateway's ports are reached, and what refers to them finds them.
func TestManifestPorts(t *testing.T) {
	t.Parallel()
	m := readManifest(t)
	sidecar := at(m["Deployment"], "spec", "template", "spec", "containers", "keygate")
	number := func(name any) any { return at(sidecar, "ports", name.(string), "containerPort") }
	if number("gateway") != 8080 || number("metrics") != 9180 {
		t.Errorf("ports: %v", at(sidecar, "ports"))
	}
	for _, site := range []string{"\nhttp://:8080 {\n", "\nhttp://:9180 {\n"} {
		if !strings.Contains(m.caddyfile(t), site) {
			t.Errorf("the Caddyfile has no site %q", site)
		}
	}
	if got := number(at(sidecar, "livenessProbe", "tcpSocket", "port")); got != 8080 {
		t.Errorf("livenessProbe looks at port %v", got)
	}
	if got := number(at(m["Service"], "spec", "ports", "http", "targetPort")); got != 8080 {
		t.Errorf("the Service leads to port %v", got)
	}
	var open []any
	rules, _ := at(m["NetworkPolicy"], "spec", "ingress").([]any)
	for _, rule := range rules {
		if from, _ := at(rule, "from").([]any); len(from) == 0 {
			t.Error("a rule of the NetworkPolicy lets everybody in")
		}
		ports, _ := at(rule, "ports").([]any)
		if len(ports) == 0 {
			t.Error("a rule of the NetworkPolicy opens all ports")
		}
		for _, port := range ports {
			open = append(open, number(at(port, "port")))
		}
	}
	if !slices.Equal(open, []any{8080, 9180}) {
		t.Errorf("the NetworkPolicy opens %v", open)
	}
}
