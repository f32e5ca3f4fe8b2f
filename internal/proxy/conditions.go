package proxy

import (
	"net/http"

	"github.com/zgproxy/zgproxy/internal/zg"
)

// condition is how one thing that can go wrong is told to callers. Its code is the key in the table, in the envelope,
// and the category in logs and metrics.
type condition struct {
	status int    // in the ordinary case; where a peer's own status says more it may be another one
	kind   string // type in OpenAI's envelope
	// again says that the very same request, sent again later, can succeed. Clients that retry by themselves are told
	// where the status alone would mislead them.
	again bool
}

// conditions is the one table from what can go wrong to what callers see. docs/errors.md explains each line.
var conditions = map[string]condition{
	// The request.
	"host_not_allowed":       {http.StatusForbidden, typePermit, false},
	"cross_origin":           {http.StatusForbidden, typePermit, false},
	"invalid_api_key":        {http.StatusUnauthorized, typeAuth, false},
	"unknown_url":            {http.StatusNotFound, typeRequest, false},
	"method_not_allowed":     {http.StatusMethodNotAllowed, typeRequest, false},
	"unsupported_media_type": {http.StatusUnsupportedMediaType, typeRequest, false},
	"request_body":           {http.StatusBadRequest, typeRequest, false},
	"request_timeout":        {http.StatusRequestTimeout, typeRequest, true},
	"request_too_large":      {http.StatusRequestEntityTooLarge, typeRequest, false},
	"invalid_request":        {http.StatusBadRequest, typeRequest, false},
	"missing_id":             {http.StatusBadRequest, typeRequest, false},
	"unknown_answer":         {http.StatusNotFound, typeRequest, false},
	"job_not_found":          {http.StatusNotFound, typeRequest, false},
	"image_not_found":        {http.StatusNotFound, typeRequest, false},
	"unknown_type":           {http.StatusBadRequest, typeRequest, false},

	// The choice of a provider.
	"missing_model":        {http.StatusBadRequest, typeRequest, false},
	"model_not_found":      {http.StatusNotFound, typeRequest, false},
	"model_ambiguous":      {http.StatusBadRequest, typeRequest, false},
	"type_not_served":      {http.StatusNotFound, typeRequest, false},
	"provider_not_found":   {http.StatusNotFound, typeRequest, false},
	"provider_not_allowed": {http.StatusForbidden, typePermit, false},
	"no_provider_allowed":  {http.StatusForbidden, typePermit, false},
	"provider_suspended":   {http.StatusServiceUnavailable, typeServer, false},
	"provider_waiting":     {http.StatusServiceUnavailable, typeServer, false},
	"provider_unsigned":    {http.StatusForbidden, typePermit, false},
	"operation_unsigned":   {http.StatusForbidden, typePermit, false},
	"format_unsigned":      {http.StatusBadRequest, typeRequest, false},
	"provider_down":        {http.StatusServiceUnavailable, typeServer, true},
	"provider_paced":       {http.StatusTooManyRequests, typeRate, true},
	"provider_paused":      {http.StatusServiceUnavailable, typeServer, true},

	// Money. 429 instead of 402 where waiting helps: a top-up is expected, or a budget gets room again.
	"price_absurd":               {http.StatusPaymentRequired, typeQuota, false},
	"price_unit_unknown":         {http.StatusServiceUnavailable, typeServer, false},
	"budget_fees_day":            {http.StatusPaymentRequired, typeQuota, false},
	"budget_fees_total":          {http.StatusPaymentRequired, typeQuota, false},
	"budget_provider_fees_day":   {http.StatusPaymentRequired, typeQuota, false},
	"budget_provider_fees_total": {http.StatusPaymentRequired, typeQuota, false},
	"store_unavailable":          {http.StatusServiceUnavailable, typeServer, true},

	// zgproxy itself.
	"not_ready":             {http.StatusServiceUnavailable, typeServer, true},
	"shutting_down":         {http.StatusServiceUnavailable, typeServer, true},
	"session_token":         {http.StatusServiceUnavailable, typeServer, true},
	"receipt_unreadable":    {http.StatusInternalServerError, typeServer, true},
	"too_many_answers_held": {http.StatusServiceUnavailable, typeServer, false},
	"memory_full":           {http.StatusServiceUnavailable, typeServer, true},
	"too_many_connections":  {http.StatusServiceUnavailable, typeServer, true},
	"internal":              {http.StatusInternalServerError, typeServer, true},

	// The way to a provider, and its answer.
	"provider_url":             {http.StatusBadGateway, typeServer, false},
	"provider_unreachable":     {http.StatusBadGateway, typeServer, true},
	"provider_connection":      {http.StatusBadGateway, typeServer, true},
	"caller_left":              {http.StatusBadGateway, typeServer, true},
	"provider_timeout":         {http.StatusGatewayTimeout, typeServer, true},
	"account_not_seen":         {http.StatusServiceUnavailable, typeServer, true},
	"provider_encoding":        {http.StatusBadGateway, typeServer, false},
	"truncated":                {http.StatusBadGateway, typeServer, true},
	"answer_not_verified":      {http.StatusBadGateway, typeServer, false},
	"answer_too_large_to_hold": {http.StatusBadGateway, typeServer, false},

	// What providers refuse with: their classes. What concerns our account with them is never the caller's 400 or 401.
	"session_refused":                 {http.StatusServiceUnavailable, typeServer, true},
	string(zg.RefusalSessionExpired):  {http.StatusServiceUnavailable, typeServer, true},
	string(zg.RefusalSessionRevoked):  {http.StatusServiceUnavailable, typeServer, true},
	string(zg.RefusalSessionFuture):   {http.StatusServiceUnavailable, typeServer, true},
	string(zg.RefusalSession):         {http.StatusServiceUnavailable, typeServer, false},
	string(zg.RefusalNoAccount):       {http.StatusPaymentRequired, typeQuota, false},
	string(zg.RefusalNotAcknowledged): {http.StatusPaymentRequired, typeQuota, false},
	string(zg.RefusalBalance):         {http.StatusPaymentRequired, typeQuota, false},
	string(zg.RefusalSigner):          {http.StatusServiceUnavailable, typeServer, false},
	string(zg.RefusalModel):           {http.StatusNotFound, typeRequest, false},
	string(zg.RefusalEndpoint):        {http.StatusNotFound, typeRequest, false},
	string(zg.RefusalModelExpired):    {http.StatusGone, typeRequest, false},
	string(zg.RefusalBanned):          {http.StatusTooManyRequests, typeRate, false},
	string(zg.RefusalRate):            {http.StatusTooManyRequests, typeRate, true},
	string(zg.RefusalConcurrency):     {http.StatusTooManyRequests, typeRate, true},
	string(zg.RefusalTokenBudget):     {http.StatusTooManyRequests, typeRate, true},
	string(zg.RefusalBusy):            {http.StatusServiceUnavailable, typeServer, true},
	string(zg.RefusalUpstream):        {http.StatusBadGateway, typeServer, true},
	string(zg.RefusalRequest):         {http.StatusBadRequest, typeRequest, false},
}

// problem is the error of a condition.
func problem(code, message string) *APIError {
	c := conditions[code]
	return &APIError{Status: c.status, Type: c.kind, Code: code, Message: message}
}

// clientRetries reports whether client libraries send a request again by themselves after such a status.
func clientRetries(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooManyRequests || status >= 500
}
