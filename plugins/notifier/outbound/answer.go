package outbound

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// maxRetryAfter bounds what a service may ask for: one mistaken header must not silence a receiver for days.
const maxRetryAfter = time.Hour

// Result tells what the status means: 2xx is delivered; 408, 425, 429 and 5xx may succeed later; all else is final.
// text is what the service said, "" for the body as it is.
func (a Answer) Result(text string) notifier.Result {
	if text == "" {
		text = string(a.Body)
	}
	r := notifier.Result{Detail: a.Text(text)}
	switch {
	case a.Status >= 200 && a.Status < 300:
		r.Outcome = notifier.Delivered
	case a.Status >= 500, a.Status == http.StatusTooManyRequests, a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly:
		r.Outcome = notifier.Retry
		r.RetryAfter = a.RetryAfter()
	case a.Status >= 300 && a.Status < 400:
		r.Outcome = notifier.Rejected
		r.Detail = a.Text(redirected(a.Header.Get("Location")))
	default:
		r.Outcome = notifier.Rejected
	}
	return r
}

func redirected(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "redirected, which is not followed: configure the final address"
	}
	return fmt.Sprintf("redirected to host %s, which is not followed: configure the final address", u.Host)
}

// Text makes what the service said fit to be shown: with the status, on one line, short and without secrets.
func (a Answer) Text(said string) string {
	status := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	if said = a.redactor.clean(said); said == "" {
		return a.redactor.clean(status)
	}
	return a.redactor.clean(status) + ": " + said
}

// RetryAfter reads the header of that name, in seconds or as a date, as RFC 9110 section 10.2.3 has it; 0 if there is
// none. A date is compared with the service's own clock where it tells.
func (a Answer) RetryAfter() time.Duration {
	value := a.Header.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		switch {
		case seconds >= maxRetryAfter.Seconds():
			return maxRetryAfter
		case seconds > 0:
			return time.Duration(seconds * float64(time.Second))
		}
		return 0
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
