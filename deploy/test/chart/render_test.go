package chart

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	envoyv1alpha1 "github.com/envoyproxy/gateway/api/v1alpha1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/realtime-cluster/realtime/pkg/config"
)

// typed makes the objects of Kubernetes and of the CRDs that the chart uses, by kind.
var typed = map[string]func() any{
	"ServiceAccount":          func() any { return new(corev1.ServiceAccount) },
	"Secret":                  func() any { return new(corev1.Secret) },
	"ConfigMap":               func() any { return new(corev1.ConfigMap) },
	"Service":                 func() any { return new(corev1.Service) },
	"Pod":                     func() any { return new(corev1.Pod) },
	"Deployment":              func() any { return new(appsv1.Deployment) },
	"StatefulSet":             func() any { return new(appsv1.StatefulSet) },
	"PodDisruptionBudget":     func() any { return new(policyv1.PodDisruptionBudget) },
	"HorizontalPodAutoscaler": func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"Ingress":                 func() any { return new(networkingv1.Ingress) },
	"NetworkPolicy":           func() any { return new(networkingv1.NetworkPolicy) },
	"ServiceMonitor":          func() any { return new(monitoringv1.ServiceMonitor) },
	"PrometheusRule":          func() any { return new(monitoringv1.PrometheusRule) },
	"HTTPRoute":               func() any { return new(gatewayv1.HTTPRoute) },
	"BackendTrafficPolicy":    func() any { return new(envoyv1alpha1.BackendTrafficPolicy) },
}

// render is what the chart makes of values, or Helm's error.
func render(values map[string]any) (map[string]string, error) {
	c, err := loader.Load(dir)
	if err != nil {
		return nil, err
	}
	v, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "rt", Namespace: "default", IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, v)
}

// pods collects what holds containers, with the labels that it selects by.
type pod struct {
	name     string
	labels   map[string]string
	selector map[string]string
	spec     corev1.PodSpec
}

// TestRender: each set of values gives objects that Kubernetes takes, whose pods are restricted and end in good order.
func TestRender(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dir, "ci", "*.yaml"))
	if err != nil || len(files) != 6 {
		t.Fatal(files, err)
	}
	unseen := slices.Collect(maps.Keys(typed))
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			values := map[string]any{}
			if err := yaml.Unmarshal(text, &values); err != nil {
				t.Fatal(err)
			}
			out, err := render(values)
			if err != nil {
				t.Fatal(err)
			}
			var pods []pod
			for name, text := range out {
				if !strings.HasSuffix(name, ".yaml") {
					continue
				}
				for doc := range strings.SplitSeq(text, "\n---\n") {
					var head struct{ Kind string }
					if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
						t.Fatalf("%s: %v\n%s", name, err, doc)
					}
					if head.Kind == "" {
						continue
					}
					unseen = slices.DeleteFunc(unseen, func(kind string) bool { return kind == head.Kind })
					if typed[head.Kind] == nil {
						t.Fatalf("%s: unknown kind %s", name, head.Kind)
					}
					object := typed[head.Kind]()
					if err := yaml.UnmarshalStrict([]byte(doc), object); err != nil {
						t.Errorf("%s, %s: %v", name, head.Kind, err)
					}
					switch o := object.(type) {
					case *corev1.Pod:
						pods = append(pods, pod{o.Name, o.Labels, nil, o.Spec})
					case *appsv1.Deployment:
						pods = append(pods, pod{o.Name, o.Spec.Template.Labels, o.Spec.Selector.MatchLabels, o.Spec.Template.Spec})
					case *appsv1.StatefulSet:
						pods = append(pods, pod{o.Name, o.Spec.Template.Labels, o.Spec.Selector.MatchLabels, o.Spec.Template.Spec})
					}
				}
			}
			if len(pods) < 3 {
				t.Errorf("%d kinds of pods", len(pods))
			}
			for _, p := range pods {
				checkPod(t, p)
			}
		})
	}
	if len(unseen) > 0 {
		t.Errorf("no set of values makes %v", unseen)
	}
}

func checkPod(t *testing.T, p pod) {
	for key, value := range p.selector {
		if p.labels[key] != value {
			t.Errorf("%s: selects %s=%s, its pods have %q", p.name, key, value, p.labels[key])
		}
	}
	s := p.spec.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: not restricted", p.name)
	}
	for _, c := range p.spec.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
			t.Errorf("%s, %s: not restricted", p.name, c.Name)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s, %s: no memory limit or CPU request", p.name, c.Name)
		}
		if slices.Contains([]string{config.CommandGateway, config.CommandRouter, config.CommandPresence}, c.Name) {
			checkRole(t, p, c)
		}
	}
}

// helpers are the variables of a role that are no settings: Go's own, and what others are put together of.
var helpers = []string{"GOMEMLIMIT", "NATS_PASSWORD", "REDIS_PASSWORD"}

func checkRole(t *testing.T, p pod, c corev1.Container) {
	known := map[string]bool{}
	for _, s := range config.Settings() {
		known[s.Name] = true
	}
	env := map[string]string{}
	for _, e := range c.Env {
		if _, twice := env[e.Name]; twice {
			t.Errorf("%s: %s stands there twice", p.name, e.Name)
		}
		if env[e.Name] = e.Value; !known[e.Name] && !slices.Contains(helpers, e.Name) {
			t.Errorf("%s: the binary knows no setting %s", p.name, e.Name)
		}
	}
	seconds := func(name string) (n int64) {
		if _, err := fmt.Sscanf(env[name], "%ds", &n); err != nil {
			t.Errorf("%s: %s is %q", p.name, name, env[name])
		}
		return n
	}
	before := int64(0)
	if c.Lifecycle != nil {
		before = c.Lifecycle.PreStop.Sleep.Seconds
	}
	stop := seconds("SHUTDOWN_TIMEOUT")
	if *p.spec.TerminationGracePeriodSeconds <= before+stop {
		t.Errorf("%s: killed after %d s, though it may take %d s and %d s", p.name, *p.spec.TerminationGracePeriodSeconds, before, stop)
	}
	if c.Name == config.CommandGateway && seconds("DRAIN_PERIOD")+int64(config.DrainMargin.Seconds()) > stop {
		t.Errorf("%s: DRAIN_PERIOD is too near to SHUTDOWN_TIMEOUT", p.name)
	}
	limit := int64(0)
	if _, err := fmt.Sscanf(env["GOMEMLIMIT"], "%dMiB", &limit); err != nil || limit<<20 >= c.Resources.Limits.Memory().Value() || limit == 0 {
		t.Errorf("%s: GOMEMLIMIT is %q, the limit %s", p.name, env["GOMEMLIMIT"], c.Resources.Limits.Memory())
	}
}

// TestTypos: a value that does not exist is refused, wherever it stands.
func TestTypos(t *testing.T) {
	if _, err := render(nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"gatway", "image.tags", "auth.existingSecret.nam", "settings.LOG_LEVELS", "settings.JWT_SECRET", "gateway.replica",
		"gateway.settings.LANES", "router.settings.LOOPS", "gateway.resources.limit", "gateway.resources.limits.mem", "gateway.autoscaling.max",
		"gateway.pdb.min", "gateway.service.ports", "gateway.affinity.node", "presence.x", "topologySpread.x", "nats.urls", "nats.persistence.sise",
		"nats.image.x", "redis.persistence.x", "redis.urlSecret.x", "ingress.host", "httpRoute.envoy.x", "networkPolicy.x", "metrics.serviceMonitor.x"} {
		keys := strings.Split(path, ".")
		var values any = "1"
		for _, key := range slices.Backward(keys) {
			values = map[string]any{key: values}
		}
		if _, err := render(values.(map[string]any)); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
}
