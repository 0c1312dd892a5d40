// Package chart holds the Helm chart to Kubernetes' types, to its own values and to the settings of the binary.
package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/realtime-cluster/realtime/pkg/config"
)

// dir is the chart.
const dir = "../../helm/realtime"

// decided lists the settings that the chart decides; other values of it stand for them.
var decided = []string{
	"HOST", "PORT", "NODE_NAME", "JWT_SECRET", "JWT_PUBLIC_KEY", "JWT_JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE", "NATS_URL", "NATS_CREDENTIALS",
	"REDIS_URL", "SETTINGS_FILE", "RULES_FILE", "MAX_CONNECTIONS", "ADMIT_RATE", "DRAIN_PERIOD", "SHUTDOWN_TIMEOUT",
}

// special are the schemas that the type of a default does not tell, by the path of the value or the end of it.
var special = map[string]string{
	"image.pullPolicy":                 `{"enum":["Always","IfNotPresent","Never"]}`,
	"image.pullSecrets":                `{"type":"array","items":{"type":"string"}}`,
	"topologySpread.whenUnsatisfiable": `{"enum":["DoNotSchedule","ScheduleAnyway"]}`,
	"service.type":                     `{"enum":["ClusterIP","NodePort","LoadBalancer"]}`,
	"nats.replicas":                    `{"enum":[1,3,5]}`,
	"gateway.replicas":                 `{"type":"integer","minimum":0}`,
	"autoscaling.minReplicas":          `{"type":"integer","minimum":1}`,
	"autoscaling.maxReplicas":          `{"type":"integer","minimum":1}`,
	"gateway.maxConnections":           `{"type":"integer","minimum":1}`,
	"gateway.preStopSeconds":           `{"type":"integer","minimum":0}`,
	"pdb.maxUnavailable":               `{"type":["integer","string"],"pattern":"^[0-9]+%$","minimum":1}`,
	"auth.jwtSecret":                   `{"type":"string","pattern":"^$|^.{32,}$"}`,
	"resources":                        `{"type":"object","additionalProperties":false,"required":["limits"],"properties":{"requests":{"$ref":"#/$defs/amounts"},"limits":{"allOf":[{"$ref":"#/$defs/amounts"},{"required":["memory"]}]}}}`,
	"nodeSelector":                     `{"$ref":"#/$defs/texts"}`,
	"podAnnotations":                   `{"$ref":"#/$defs/texts"}`,
	"annotations":                      `{"$ref":"#/$defs/texts"}`,
	"labels":                           `{"$ref":"#/$defs/texts"}`,
	"affinity":                         `{"type":"object","additionalProperties":false,"properties":{"nodeAffinity":{"type":"object"},"podAffinity":{"type":"object"},"podAntiAffinity":{"type":"object"}}}`,
	"tolerations":                      `{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"key":{"type":"string"},"operator":{"enum":["Equal","Exists"]},"value":{"type":"string"},"effect":{"type":"string"},"tolerationSeconds":{"type":"integer"}}}}`,
	"networkPolicy.gatewayFrom":        `{"$ref":"#/$defs/peers"}`,
	"networkPolicy.metricsFrom":        `{"$ref":"#/$defs/peers"}`,
	"httpRoute.parentRefs":             `{"type":"array","items":{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"},"namespace":{"type":"string"},"group":{"type":"string"},"kind":{"type":"string"},"sectionName":{"type":"string"},"port":{"type":"integer"}}}}`,
}

const defs = `{
	"amounts": {"type":"object","additionalProperties":false,"properties":{"cpu":{"type":["string","number"]},"memory":{"type":["string","number"]},"ephemeral-storage":{"type":["string","number"]}}},
	"texts": {"type":"object","additionalProperties":{"type":"string"}},
	"peers": {"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"podSelector":{"type":"object"},"namespaceSelector":{"type":"object"},"ipBlock":{"type":"object"}}}}
}`

// Values reads values.yaml with its comments.
func Values() (*yaml.Node, error) {
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

// Schema is what values.schema.json has to be.
func Schema(values *yaml.Node) ([]byte, error) {
	s, err := schemaOf(values, "")
	if err != nil {
		return nil, err
	}
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["properties"].(map[string]any)["global"] = map[string]any{"type": "object"} // Helm adds it
	s["$defs"] = json.RawMessage(defs)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(s)
	return b.Bytes(), err
}

func schemaOf(n *yaml.Node, path string) (map[string]any, error) {
	for known, text := range special {
		if path == known || strings.HasSuffix(path, "."+known) {
			var s map[string]any
			err := json.Unmarshal([]byte(text), &s)
			return s, err
		}
	}
	if path == "settings" || strings.HasSuffix(path, ".settings") {
		return settingsSchema(strings.TrimSuffix(path, ".settings")), nil
	}
	switch {
	case n.Kind == yaml.MappingNode:
		properties := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			s, err := schemaOf(n.Content[i+1], strings.TrimPrefix(path+"."+key, "."))
			if err != nil {
				return nil, err
			}
			properties[key] = s
		}
		if len(properties) == 0 {
			return nil, fmt.Errorf("%s: what may be in it, special has to say", path)
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}, nil
	case n.Kind == yaml.SequenceNode:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}, nil
	case n.Tag == "!!bool":
		return map[string]any{"type": "boolean"}, nil
	case n.Tag == "!!int":
		return map[string]any{"type": "integer", "minimum": 0}, nil
	}
	return map[string]any{"type": "string"}, nil
}

// settingsSchema allows the settings of a role, or of any where role is settings.
func settingsSchema(role string) map[string]any {
	properties := map[string]any{}
	for _, s := range config.Settings() {
		used := s.UsedBy(role)
		if role == "settings" {
			used = s.UsedBy(config.CommandGateway) || s.UsedBy(config.CommandRouter) || s.UsedBy(config.CommandPresence)
		}
		if s.Name != "" && used {
			properties[s.Name] = map[string]any{"type": []string{"string", "number", "boolean"}}
		}
	}
	for _, name := range decided {
		delete(properties, name)
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// Readme is what README.md of the chart has to be.
func Readme(values *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(intro)
	err := rows(&b, values, "")
	return b.Bytes(), err
}

// rows writes one row of the table for each value.
func rows(b *bytes.Buffer, n *yaml.Node, path string) error {
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		if value.Kind == yaml.MappingNode && value.Style != yaml.FlowStyle && len(value.Content) > 0 && key.Value != "resources" {
			if err := rows(b, value, name); err != nil {
				return err
			}
			continue
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var help []string
		for line := range strings.Lines(key.HeadComment) {
			help = append(help, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")))
		}
		if len(help) == 0 {
			return fmt.Errorf("%s: no comment", name)
		}
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", name, strings.ReplaceAll(string(text), "|", `\|`), strings.Join(help, " "))
	}
	return nil
}

const intro = `# The chart realtime

<!-- Made of values.yaml: cd deploy/test && go test ./chart -update -->

    helm install rt deploy/helm/realtime
    helm test rt --logs

installs two gateways, two routers, two presence nodes, three NATS servers with JetStream and a Redis. It needs Kubernetes 1.30.
NATS and Redis of your own: nats.url and redis.url, or their urlSecret where there is a password in them.

Clients come by a Service, an Ingress for ingress-nginx, or an HTTPRoute of the Gateway API with a policy for Envoy Gateway.
An upgrade brings one new gateway, waits until it is ready, and lets an old one go: it sleeps preStopSeconds, says goodbye to its
clients over drainPeriodSeconds, and others let them in at admitRate. terminationGracePeriodSeconds follows from these.

helm uninstall leaves nothing, disks included, unless nats.persistence.retain and redis.persistence.retain say so.

## Autoscaling by connections

gateway.autoscaling.connections asks for the metric realtime_gateway_connections of each pod. With prometheus-adapter this rule serves it:

    rules:
      - seriesQuery: 'realtime_gateway_connections{namespace!="",pod!=""}'
        resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}
        metricsQuery: 'sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)'

Take about 70 % of gateway.maxConnections.

## Values

| value | default | what it is |
|---|---|---|
`
