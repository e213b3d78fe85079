{{- define "app.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "app.selector" -}}
app.kubernetes.io/name: shardlane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "app.labels" -}}
{{ include "app.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "app.serviceAccount" -}}
{{- default (include "app.name" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "app.cqlPort" -}}
{{- .Values.shardlane.bind | splitList ":" | last -}}
{{- end -}}

{{/* Where clients connect. */}}
{{- define "app.address" -}}
{{- printf "%s.%s.svc:%d" (include "app.name" .) .Release.Namespace (int .Values.service.port) -}}
{{- end -}}

{{/* Ports of the nodes, as JSON: those that are given, the one of contact points without a port, and those of the others. */}}
{{- define "app.nodePorts" -}}
{{- $ports := list -}}
{{- range append .Values.networkPolicy.nodePorts .Values.shardlane.port -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- range .Values.shardlane.contactPoints -}}
{{- /* HOST:PORT or [ADDRESS]:PORT; a bare address of IPv6 has more colons. */ -}}
{{- with regexFind "^([^:]+|\\[.+\\]):[0-9]+$" . -}}
{{- $ports = append $ports (splitList ":" . | last | int) -}}
{{- end -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{/* A whole number of the settings; takes the text of the settings, the key and its default. */}}
{{- define "app.setting" -}}
{{- $found := regexFind (printf "(?m)^\\s*([a-z_]+\\.)?%s\\s*=\\s*[0-9_]+" .key) .settings -}}
{{- regexFind "[0-9_]+$" $found | replace "_" "" | default .default -}}
{{- end -}}

{{/* The kubelet must not kill the proxy before it has drained. */}}
{{- define "app.gracePeriod" -}}
{{- $settings := .Values.shardlane.settings -}}
{{- $least := include "app.setting" (dict "settings" $settings "key" "min_sigterm_delay_s" "default" "0") | int64 -}}
{{- $most := include "app.setting" (dict "settings" $settings "key" "max_sigterm_delay_s" "default" "0") | int64 -}}
{{- $drain := include "app.setting" (dict "settings" $settings "key" "drain_ms" "default" "10000") | int64 -}}
{{- $needed := add (max $least $most) (div (add $drain 999) 1000) -}}
{{- if le (int64 .Values.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, but after SIGTERM the settings let the proxy serve for up to %d s and drain for up to %d ms: give more than %d, or lower them" (int64 .Values.terminationGracePeriodSeconds) (max $least $most) $drain $needed) -}}
{{- end -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}
