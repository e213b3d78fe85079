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
{{- if and $tls.secretName (not (contains "-----BEGIN CERTIFICATE-----" (b64dec $tls.caBundle))) -}}
{{- fail "tls.caBundle is no certificate in PEM, written in base64" -}}
{{- end -}}
{{- if not (or $tls.certManager.enabled $tls.secretName) -}}
{{- fail "where does the certificate come from? Set tls.certManager.enabled, or tls.secretName and tls.caBundle" -}}
{{- end -}}
{{- default (printf "%s-tls" (include "injector.name" .)) $tls.secretName -}}
{{- end -}}

{{/* Bytes of a quantity of memory. */}}
{{- define "injector.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .) | float64) | int64 -}}
{{- end -}}

{{/* Thousandths of a CPU of a quantity. */}}
{{- define "injector.thousandths" -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (ternary 1 1000 (hasSuffix "m" .) | float64) | int64 -}}
{{- end -}}

{{/* What every sidecar has must be possible: what is not given is as in `shardlane inject --help`. */}}
{{- define "injector.check" -}}
{{- $request := get .Values.sidecar "memory-request" | default "64Mi" -}}
{{- $limit := get .Values.sidecar "memory-limit" | default "256Mi" -}}
{{- if gt (include "injector.bytes" $request | int64) (include "injector.bytes" $limit | int64) -}}
{{- fail (printf "sidecar.memory-request is %s, which is more than sidecar.memory-limit, %s: no API server would take such a pod" $request $limit) -}}
{{- end -}}
{{- if lt (include "injector.bytes" $limit | int64) 16777216 -}}
{{- fail (printf "sidecar.memory-limit is %s: a sidecar needs 16Mi at least" $limit) -}}
{{- end -}}
{{- $cpu := get .Values.sidecar "cpu-request" | default "250m" -}}
{{- $most := get .Values.sidecar "cpu-limit" -}}
{{- if and $most (gt (include "injector.thousandths" $cpu | int64) (include "injector.thousandths" $most | int64)) -}}
{{- fail (printf "sidecar.cpu-request is %s, which is more than sidecar.cpu-limit, %s: no API server would take such a pod" $cpu $most) -}}
{{- end -}}
{{- $names := concat (get .Values.sidecar "contact-points-env" | default "" | splitList "," | compact) (get .Values.sidecar "port-env" | default "" | splitList "," | compact) -}}
{{- if ne (len $names) (len (uniq $names)) -}}
{{- fail "sidecar.contact-points-env and sidecar.port-env name a variable twice" -}}
{{- end -}}
{{- end -}}
