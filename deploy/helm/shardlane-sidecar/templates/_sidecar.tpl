{{/*
What to include in your chart; every template takes the root context.

  shardlane.sidecar          an item of initContainers: the native sidecar; put it first
  shardlane.volumes          items of volumes
  shardlane.podLabels        labels of the pod, by which the PodMonitor finds it
  shardlane.podAnnotations   annotations of the pod, which replace it when the settings change
  shardlane.configMap        the whole ConfigMap with the settings
*/}}

{{- define "shardlane.given" -}}
{{- if not (hasKey .Values "shardlane") -}}
{{- fail "there are no values under `shardlane`: give the dependency on shardlane-sidecar `alias: shardlane`" -}}
{{- end -}}
{{- end -}}

{{- define "shardlane.configName" -}}
{{- printf "%s-shardlane" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "shardlane.image" -}}
{{- $image := .Values.shardlane.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default "0.1.0" $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "shardlane.podLabels" -}}
shardlane.dev/sidecar: "true"
{{- end -}}

{{- define "shardlane.podAnnotations" -}}
checksum/shardlane: {{ include "shardlane.settings" . | sha256sum }}
{{- end -}}

{{/* The settings, TOML. Passwords and keys are files, never values. */}}
{{- define "shardlane.settings" -}}
{{- include "shardlane.given" . -}}
{{- $v := .Values.shardlane -}}
{{- if and $v.credentials.username (not $v.credentials.secretName) -}}
{{- fail (printf "shardlane.credentials.username is %q, so shardlane.credentials.secretName must name the secret with its password" $v.credentials.username) -}}
{{- end -}}
{{- if and $v.credentials.secretName (not $v.credentials.username) -}}
{{- fail "shardlane.credentials.secretName is set, so shardlane.credentials.username must be, too" -}}
{{- end -}}
{{- if and $v.rack (not $v.dataCenter) -}}
{{- fail "shardlane.rack is set, so shardlane.dataCenter must be, too: racks of different data centers may have the same name" -}}
{{- end -}}
{{- if and $v.tls.secretName (regexMatch "(?m)^\\s*\\[tls\\]" $v.settings) -}}
{{- fail "shardlane.tls.secretName is set and shardlane.settings has a table [tls]: give one of them" -}}
{{- end -}}
{{- if and $v.clientTls.secretName (regexMatch "(?m)^\\s*\\[bind_tls\\]" $v.settings) -}}
{{- fail "shardlane.clientTls.secretName is set and shardlane.settings has a table [bind_tls]: give one of them" -}}
{{- end -}}
{{- $own := list "contact_points" "port" "bind" "admin" -}}
{{- if hasPrefix "unix:" $v.bind }}{{ $own = append $own "bind_mode" }}{{ end -}}
{{- if $v.dataCenter }}{{ $own = append $own "data_center" }}{{ end -}}
{{- if $v.rack }}{{ $own = append $own "rack" }}{{ end -}}
{{- if $v.credentials.username }}{{ $own = concat $own (list "username" "password_file") }}{{ end -}}
{{- $before := regexSplit "(?m)^\\s*\\[" $v.settings 2 | first -}}
{{- with regexFind (printf "(?m)^\\s*[\"']?(%s)[\"']?\\s*=" (join "|" $own)) $before -}}
{{- fail (printf "shardlane.settings sets %s, which the chart does: no key may be there twice" (regexFind "[a-z_]+" .)) -}}
{{- end -}}
{{- if eq "9380" (splitList ":" $v.bind | last) -}}
{{- fail "shardlane.bind has port 9380, which is that of probes and metrics" -}}
{{- end -}}
contact_points = {{ $v.contactPoints | toJson }}
port = {{ $v.port }}
bind = {{ $v.bind | quote }}
{{- if hasPrefix "unix:" $v.bind }}
# For the owner and the group, which the pod's fsGroup makes the same for all containers.
bind_mode = "0660"
{{- end }}
# The kubelet's probes and the scraper come from outside of the pod.
admin = "0.0.0.0:9380"
{{- with $v.dataCenter }}
data_center = {{ . | quote }}
{{- end }}
{{- with $v.rack }}
rack = {{ . | quote }}
{{- end }}
{{- with $v.credentials.username }}
username = {{ . | quote }}
password_file = "/run/secrets/shardlane/password"
{{- end }}
{{- with $v.settings }}
{{ . | trim }}
{{- end }}
{{- if $v.tls.secretName }}

[tls]
ca = "/run/secrets/shardlane-tls/ca.crt"
{{- if $v.tls.clientCertificate }}
cert = "/run/secrets/shardlane-tls/tls.crt"
key = "/run/secrets/shardlane-tls/tls.key"
{{- end }}
{{- with $v.tls.serverName }}
server_name = {{ . | quote }}
{{- end }}
{{- end }}
{{- if $v.clientTls.secretName }}

[bind_tls]
cert = "/run/secrets/shardlane-client-tls/tls.crt"
key = "/run/secrets/shardlane-client-tls/tls.key"
{{- end }}
{{- end -}}

{{- define "shardlane.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "shardlane.configName" . }}
  labels:
    app.kubernetes.io/name: shardlane
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: {{ .Release.Service }}
data:
  shardlane.toml: |
    {{- include "shardlane.settings" . | nindent 4 }}
{{- end -}}

{{- define "shardlane.probe" -}}
periodSeconds: {{ .periodSeconds }}
timeoutSeconds: {{ .timeoutSeconds }}
failureThreshold: {{ .failureThreshold }}
{{- end -}}

{{/* The container without what makes it a sidecar. */}}
{{- define "shardlane.container" -}}
{{- include "shardlane.given" . -}}
{{- $v := .Values.shardlane -}}
name: shardlane
image: {{ include "shardlane.image" . | quote }}
imagePullPolicy: {{ $v.image.pullPolicy }}
{{- if $v.state.enabled }}
args: ["run", "--config", "/etc/shardlane/shardlane.toml", "--state-file", "/var/lib/shardlane/state"]
{{- else }}
args: ["run", "--config", "/etc/shardlane/shardlane.toml"]
{{- end }}
{{- with $v.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: shardlane-admin
    containerPort: 9380
{{- if not (or (hasPrefix "unix:" $v.bind) (hasPrefix "127." $v.bind)) }}
  - name: cql
    containerPort: {{ $v.bind | splitList ":" | last | int }}
{{- end }}
startupProbe:
  httpGet:
    path: /startup
    port: shardlane-admin
  {{- include "shardlane.probe" $v.probes.startup | nindent 2 }}
livenessProbe:
  httpGet:
    path: /livez
    port: shardlane-admin
  {{- include "shardlane.probe" $v.probes.liveness | nindent 2 }}
{{- if $v.probes.readiness.enabled }}
readinessProbe:
  httpGet:
    path: /readyz
    port: shardlane-admin
  {{- include "shardlane.probe" $v.probes.readiness | nindent 2 }}
{{- end }}
resources:
  {{- toYaml $v.resources | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: shardlane-config
    mountPath: /etc/shardlane
    readOnly: true
{{- if $v.state.enabled }}
  - name: shardlane-state
    mountPath: /var/lib/shardlane
{{- end }}
{{- if $v.credentials.secretName }}
  - name: shardlane-password
    mountPath: /run/secrets/shardlane
    readOnly: true
{{- end }}
{{- if $v.tls.secretName }}
  - name: shardlane-tls
    mountPath: /run/secrets/shardlane-tls
    readOnly: true
{{- end }}
{{- if $v.clientTls.secretName }}
  - name: shardlane-client-tls
    mountPath: /run/secrets/shardlane-client-tls
    readOnly: true
{{- end }}
{{- if hasPrefix "unix:" $v.bind }}
  - name: shardlane-socket
    mountPath: {{ $v.bind | trimPrefix "unix:" | dir }}
{{- end }}
{{- with $v.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "shardlane.sidecar" -}}
- restartPolicy: Always
  {{- include "shardlane.container" . | nindent 2 }}
{{- end -}}

{{- define "shardlane.volumes" -}}
{{- include "shardlane.given" . -}}
{{- $v := .Values.shardlane -}}
- name: shardlane-config
  configMap:
    name: {{ include "shardlane.configName" . }}
{{- if $v.state.enabled }}
- name: shardlane-state
  emptyDir:
    sizeLimit: {{ $v.state.sizeLimit }}
{{- end }}
{{- with $v.credentials.secretName }}
- name: shardlane-password
  secret:
    secretName: {{ . }}
    # Read by the owner and the group only; the pod wants fsGroup 65532.
    defaultMode: 0440
    items:
      - key: {{ $v.credentials.key }}
        path: password
{{- end }}
{{- with $v.tls.secretName }}
- name: shardlane-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with $v.clientTls.secretName }}
- name: shardlane-client-tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- if hasPrefix "unix:" $v.bind }}
- name: shardlane-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- end -}}
