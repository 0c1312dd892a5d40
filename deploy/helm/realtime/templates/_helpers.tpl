{{- define "realtime.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "realtime.selector" -}}
app.kubernetes.io/name: realtime
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "realtime.labels" -}}
{{ include "realtime.selector" . }}
app.kubernetes.io/part-of: realtime
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | quote }}
{{- end -}}

{{/* What every role of the binary has, and NATS and Redis have not. */}}
{{- define "realtime.nodes" -}}
matchLabels:
  app.kubernetes.io/name: realtime
  app.kubernetes.io/instance: {{ .Release.Name }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [gateway, router, presence]}
{{- end -}}

{{- define "realtime.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* Not empty where the chart runs NATS, or Redis, itself. */}}
{{- define "realtime.ownNats" -}}
{{- if not (or .Values.nats.url .Values.nats.urlSecret.name) }}true{{ end -}}
{{- end -}}
{{- define "realtime.ownRedis" -}}
{{- if not (or .Values.redis.url .Values.redis.urlSecret.name) }}true{{ end -}}
{{- end -}}

{{/* Not empty where gateways have a JWT_SECRET. */}}
{{- define "realtime.hasJwtSecret" -}}
{{- if or .Values.auth.existingSecret.name .Values.auth.jwtSecret (not (or .Values.auth.publicKey .Values.auth.jwksUrl)) }}true{{ end -}}
{{- end -}}

{{/* Names of the Secrets and their keys, as a secretKeyRef. */}}
{{- define "realtime.jwtRef" -}}
{{- with .Values.auth.existingSecret }}{name: {{ default (include "realtime.fullname" $) .name }}, key: {{ if .name }}{{ .key }}{{ else }}jwt-secret{{ end }}}{{ end -}}
{{- end -}}
{{- define "realtime.natsRef" -}}
{{- with .Values.nats.passwordSecret }}{name: {{ default (include "realtime.fullname" $) .name }}, key: {{ if .name }}{{ .key }}{{ else }}nats-password{{ end }}}{{ end -}}
{{- end -}}
{{- define "realtime.redisRef" -}}
{{- with .Values.redis.passwordSecret }}{name: {{ default (include "realtime.fullname" $) .name }}, key: {{ if .name }}{{ .key }}{{ else }}redis-password{{ end }}}{{ end -}}
{{- end -}}

{{/*
GOMEMLIMIT is 85 % of the memory limit: Go collects harder as it comes near, and stacks, buffers of the kernel and what is
not Go's need the rest. The downward API gives the whole limit only, so it is computed here.
*/}}
{{- define "realtime.goMemLimit" -}}
{{- $limit := . | toString -}}
{{- $unit := regexFind "[A-Za-z]*$" $limit -}}
{{- $bytes := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- if not (and (regexMatch "^[0-9]+(\\.[0-9]+)?[A-Za-z]*$" $limit) (hasKey $bytes $unit)) -}}
{{- fail (printf "resources.limits.memory: %s is not a number with k, M, G, Ki, Mi or Gi" $limit) -}}
{{- end -}}
{{- div (mulf (trimSuffix $unit $limit | float64) (get $bytes $unit) 0.85 | int64) 1048576 }}MiB
{{- end -}}

{{- define "realtime.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "realtime.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "realtime.spread" -}}
{{- $selector := include "realtime.selector" . -}}
{{- $when := .root.Values.topologySpread.whenUnsatisfiable -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: {{ $when }}
  labelSelector:
    matchLabels: {{- $selector | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "realtime.placing" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "realtime.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The environment of a role: what the chart decides, then settings, those of the role last. */}}
{{- define "realtime.env" -}}
{{- $v := .root.Values -}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: PORT
  value: "8081"
- name: GOMEMLIMIT
  value: {{ include "realtime.goMemLimit" .own.resources.limits.memory }}
- name: SHUTDOWN_TIMEOUT
  value: {{ .shutdown }}s
{{- if eq .role "gateway" }}
- name: DRAIN_PERIOD
  value: {{ int .own.drainPeriodSeconds }}s
- name: MAX_CONNECTIONS
  value: {{ int .own.maxConnections | quote }}
- name: ADMIT_RATE
  value: {{ int .own.admitRate | quote }}
{{- if include "realtime.hasJwtSecret" .root }}
- name: JWT_SECRET
  valueFrom: {secretKeyRef: {{ include "realtime.jwtRef" .root }}}
{{- end }}
{{- range $name, $value := dict "JWT_PUBLIC_KEY" $v.auth.publicKey "JWT_JWKS_URL" $v.auth.jwksUrl "JWT_ISSUER" $v.auth.issuer "JWT_AUDIENCE" $v.auth.audience }}
{{- with $value }}
- name: {{ $name }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- else }}
- name: SETTINGS_FILE
  value: /etc/realtime/settings.yaml
- name: RULES_FILE
  value: /etc/realtime/rules.yaml
{{- end }}
{{- if include "realtime.ownNats" .root }}
- name: NATS_PASSWORD
  valueFrom: {secretKeyRef: {{ include "realtime.natsRef" .root }}}
- name: NATS_URL
  value: nats://realtime:$(NATS_PASSWORD)@{{ include "realtime.fullname" .root }}-nats:4222
{{- else }}
- name: NATS_URL
{{- if $v.nats.urlSecret.name }}
  valueFrom: {secretKeyRef: {name: {{ $v.nats.urlSecret.name }}, key: {{ $v.nats.urlSecret.key }}}}
{{- else }}
  value: {{ $v.nats.url | quote }}
{{- end }}
{{- if $v.nats.credentialsSecret.name }}
- name: NATS_CREDENTIALS
  value: /etc/nats-credentials/{{ $v.nats.credentialsSecret.key }}
{{- end }}
{{- end }}
{{- if include "realtime.ownRedis" .root }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {{ include "realtime.redisRef" .root }}}
- name: REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "realtime.fullname" .root }}-redis:6379
{{- else }}
- name: REDIS_URL
{{- if $v.redis.urlSecret.name }}
  valueFrom: {secretKeyRef: {name: {{ $v.redis.urlSecret.name }}, key: {{ $v.redis.urlSecret.key }}}}
{{- else }}
  value: {{ $v.redis.url | quote }}
{{- end }}
{{- end }}
{{- /* At an installation NATS starts at the same time and takes longer. */}}
{{- range $name, $value := merge (dict) .own.settings $v.settings (dict "NATS_CONNECT_TIMEOUT" "90s") }}
- name: {{ $name }}
  value: {{ if kindIs "float64" $value }}{{ int64 $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* The Deployment of a role. root, role, own: the role's values, shutdown and before: seconds. */}}
{{- define "realtime.deployment" -}}
{{- $name := printf "%s-%s" (include "realtime.fullname" .root) .role -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels: {{- include "realtime.labels" . | nindent 4 }}
spec:
  {{- if not (dig "autoscaling" "enabled" false .own) }}
  replicas: {{ int .own.replicas }}
  {{- end }}
  minReadySeconds: {{ int .own.minReadySeconds }}
  revisionHistoryLimit: 5
  # First a new one, then an old one less.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "realtime.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "realtime.labels" . | nindent 8 }}
        realtime/metrics: "true"
      {{- with .own.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "realtime.fullname" .root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ add .before .shutdown 5 }}
      {{- include "realtime.pullSecrets" .root | nindent 6 }}
      securityContext: {{- include "realtime.podSecurity" 65532 | nindent 8 }}
      topologySpreadConstraints: {{- include "realtime.spread" . | nindent 8 }}
      {{- include "realtime.placing" .own | nindent 6 }}
      containers:
        - name: {{ .role }}
          image: {{ include "realtime.image" .root | quote }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [{{ .role }}]
          env: {{- include "realtime.env" . | nindent 12 }}
          ports:
            - {name: http, containerPort: 8081}
          {{- if .before }}
          # Load balancers learn that the pod goes before it refuses anybody.
          lifecycle:
            preStop:
              sleep: {seconds: {{ .before }}}
          {{- end }}
          # It may wait for NATS as long as NATS_CONNECT_TIMEOUT.
          startupProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 90
          livenessProbe:
            httpGet: {path: /livez, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: http}
            periodSeconds: 3
            timeoutSeconds: 3
            failureThreshold: 2
          resources: {{- toYaml .own.resources | nindent 12 }}
          securityContext: {{- include "realtime.containerSecurity" . | nindent 12 }}
          {{- $files := ne .role "gateway" }}
          {{- $credentials := and (not (include "realtime.ownNats" .root)) .root.Values.nats.credentialsSecret.name }}
          {{- if or $files $credentials }}
          volumeMounts:
            {{- if $files }}
            # A folder and no subPath, so that changes arrive.
            - {name: files, mountPath: /etc/realtime, readOnly: true}
            {{- end }}
            {{- if $credentials }}
            - {name: nats-credentials, mountPath: /etc/nats-credentials, readOnly: true}
            {{- end }}
      volumes:
        {{- if $files }}
        - name: files
          configMap: {name: {{ default (printf "%s-files" (include "realtime.fullname" .root)) .root.Values.filesConfigMap }}}
        {{- end }}
        {{- if $credentials }}
        - name: nats-credentials
          secret: {secretName: {{ .root.Values.nats.credentialsSecret.name }}}
        {{- end }}
          {{- end }}
{{- if .own.pdb.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "realtime.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .own.pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "realtime.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* The configuration of the chart's own NATS. */}}
{{- define "realtime.natsConf" -}}
server_name: $SERVER_NAME
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
pid_file: "/run/nats/nats.pid"

authorization { user: realtime, password: $NATS_PASSWORD }

jetstream {
  store_dir: "/data"
  max_file_store: {{ .Values.nats.persistence.maxFileStore }}
  {{- if .Values.nats.syncAlways }}
  # What is acknowledged is on disk: histories and durable rooms outlive a power loss.
  sync_interval: always
  {{- end }}
}
{{- if gt (int .Values.nats.replicas) 1 }}

# Where the others are, the argument --routes says: it has the password.
cluster {
  name: realtime
  listen: "0.0.0.0:6222"
  authorization { user: route, password: $NATS_PASSWORD }
}
{{- end }}

# A server that is told to go sends its clients to the others within this time, and ends.
lame_duck_grace_period: "2s"
lame_duck_duration: "{{ int .Values.nats.lameDuckSeconds }}s"
{{- end -}}
