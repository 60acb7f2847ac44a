package slack

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/notifier"
)

// apiAnswer is what Slack's Web API, and some webhooks that imitate Slack's, answer.
type apiAnswer struct {
	OK      *bool  `json:"ok"`
	Error   string `json:"error"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// passing lists the errors of the Web API that come with status 200 and may be gone later.
var passing = []string{
	"ratelimited", "rate_limited", "message_limit_exceeded", // too many messages
	"internal_error", "fatal_error", "service_unavailable", "request_timeout", // Slack's own
	"team_added_to_org", "external_channel_migrating", // the workspace is being moved
}

// uneditable lists the errors of chat.update after which a new message can still be posted.
var uneditable = []string{"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_inactive"}

// outcome is the result of a call with Slack's own word for why it refused, "" where it gave none.
type outcome struct {
	notifier.Result
	code string
}

// cannotEdit tells whether Slack refused because of the message to edit, not because of its content.
func (o outcome) cannotEdit() bool {
	return o.Outcome == notifier.Rejected && slices.Contains(uneditable, o.code)
}

// understand tells what an answer means. A webhook accepts with the text ok; the Web API answers 200 even when it refuses and says
// so in JSON. A 200 that is neither comes from something that is not Slack, such as a login page: it counts as refused.
func understand(answer outbound.Answer) outcome {
	result := answer.Result("")
	if result.Outcome != notifier.Delivered {
		return outcome{Result: result}
	}
	if answer.Err != nil { // accepted or not: it cannot be told
		return outcome{Result: notifier.Result{Outcome: notifier.Retry, Detail: answer.Text("the answer broke off")}}
	}
	text := strings.TrimSpace(string(answer.Body))
	if text == "" || text == "ok" {
		return outcome{Result: result}
	}
	var said apiAnswer
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		result.Outcome = notifier.Rejected
		result.Detail = answer.Text("not an answer of Slack: " + text)
		return outcome{Result: result}
	}
	if said.OK == nil || *said.OK {
		result.Detail = answer.Text("ok")
		if said.Channel != "" && said.TS != "" {
			result.Reference = reference{said.Channel, said.TS}.String()
		}
		return outcome{Result: result}
	}
	result.Outcome, result.Detail = notifier.Rejected, answer.Text(said.Error)
	if slices.Contains(passing, said.Error) {
		result.Outcome, result.RetryAfter = notifier.Retry, answer.RetryAfter()
	}
	return outcome{Result: result, code: said.Error}
}
