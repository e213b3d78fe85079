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
