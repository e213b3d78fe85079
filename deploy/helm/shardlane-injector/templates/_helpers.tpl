{{- define "injector.name" -}}
{{- printf "%s-injector" (.Release.Name | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{- define "injector.selector" -}}
app.kubernetes.io/name: shardlane-injector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "injector.labels" -}}
{{ include "injector.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "injector.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The secret with the certificate. */}}
{{- define "injector.secret" -}}
{{- $tls := .Values.tls -}}
{{- if and $tls.certManager.enabled $tls.secretName -}}
{{- fail "tls.certManager.enabled and tls.secretName are both set: give one of them" -}}
{{- end -}}
{{- if and $tls.secretName (not $tls.caBundle) -}}
{{- fail "tls.secretName is set, so tls.caBundle must be, too: the API server judges the certificate by it" -}}
{{- end -}}
{{- if not (or $tls.certManager.enabled $tls.secretName) -}}
{{- fail "where does the certificate come from? Set tls.certManager.enabled, or tls.secretName and tls.caBundle" -}}
{{- end -}}
{{- default (printf "%s-tls" (include "injector.name" .)) $tls.secretName -}}
{{- end -}}
