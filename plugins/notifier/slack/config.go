package slack

import (
	"net/url"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/plugins/notifier/outbound"
	"github.com/tocsinhq/tocsin/sdk/schema"
)

// Config is the notifier block. Names are Alertmanager's; what is not set gets a built-in text from the alerts. Texts
// of the configuration are Slack's mrkdwn and sent as they are; what comes from alerts is escaped.
//
// Either api_url is an incoming webhook, or app_token is a bot's (scope chat:write, in the channel). As with Alertmanager a bot
// may also be written as api_url = ".../chat.postMessage" with http_config { authorization { … } }.
type Config struct {
	APIURL       string `config:"api_url" format:"url" sensitive:"true" doc:"Incoming webhook."`
	APIURLFile   string `config:"api_url_file" doc:"File to read api_url from at each notification."`
	AppToken     string `config:"app_token" sensitive:"true" doc:"Token of a bot with the scope chat:write. A bot edits its message of an incident instead of posting another."`
	AppTokenFile string `config:"app_token_file" doc:"File to read the token from at each notification."`
	AppURL       string `config:"app_url" format:"url" default:"https://slack.com/api/chat.postMessage" doc:"Web API method that the bot posts with; the others are beside it."`

	Channel       string `config:"channel" doc:"Channel or user. Required with app_token; most webhooks have one of their own."`
	UpdateMessage bool   `config:"update_message" default:"true" doc:"With app_token: edit the message of the incident. False posts a new one each time."`
	ThreadReplies bool   `config:"thread_replies" default:"true" doc:"With update_message: also reply in the thread when alerts are added, repeated or all resolved, for an edit notifies nobody."`

	Username  string `config:"username" doc:"Name of the sender, where Slack allows to choose it."`
	IconEmoji string `config:"icon_emoji"`
	IconURL   string `config:"icon_url" format:"url"`
	LinkNames bool   `config:"link_names" doc:"Turn @name and #channel into links."`

	MessageText string   `config:"message_text" doc:"Text above the attachment."`
	Title       string   `config:"title" doc:"Default: state and number, then the summary annotation of the alert, or what the alerts share."`
	TitleLink   string   `config:"title_link" format:"url" doc:"Default: engine.external_url."`
	Pretext     string   `config:"pretext"`
	Text        string   `config:"text" doc:"Default: a line for each alert."`
	Color       string   `config:"color" doc:"good, warning, danger or a #rrggbb. Default: by state and severity."`
	Fallback    string   `config:"fallback" doc:"Text for notifications. Default: the title."`
	Footer      string   `config:"footer"`
	CallbackID  string   `config:"callback_id"`
	ImageURL    string   `config:"image_url" format:"url"`
	ThumbURL    string   `config:"thumb_url" format:"url"`
	ShortFields bool     `config:"short_fields" doc:"Whether fields stand side by side where a field does not say."`
	MrkdwnIn    []string `config:"mrkdwn_in" default:"[\"fallback\",\"pretext\",\"text\"]"`
	Fields      []Field  `config:"fields"`
	Actions     []Action `config:"actions"`

	Timeout time.Duration `config:"timeout" default:"30s" min:"0s" doc:"How long to wait for the answer; 0: as long as the engine does."`
	HTTP    outbound.HTTP `config:"http_config"`
}

// Field is a small table cell under the text.
type Field struct {
	Title string `config:"title" required:"true"`
	Value string `config:"value" required:"true"`
	Short *bool  `config:"short"`
}

// Action is a button.
type Action struct {
	Type  string `config:"type" default:"button"`
	Text  string `config:"text" required:"true"`
	URL   string `config:"url" format:"url"`
	Style string `config:"style" enum:",default,primary,danger"`
	Name  string `config:"name"`
	Value string `config:"value"`
}

// methodPost is the Web API method that new messages go to.
const methodPost = "chat.postMessage"

func (c *Config) webhook() outbound.Secret {
	return outbound.Secret{Name: "api_url", Value: c.APIURL, File: c.APIURLFile}
}

func (c *Config) token() outbound.Secret {
	return outbound.Secret{Name: "app_token", Value: c.AppToken, File: c.AppTokenFile}
}

// bot tells whether messages go through the Web API, and under which URL its methods are.
func (c *Config) bot() (methods string, ok bool) {
	address := c.AppURL
	if !c.token().IsSet() {
		if !isPostMessage(c.APIURL) {
			return "", false
		}
		address = c.APIURL
	}
	return strings.TrimSuffix(address, methodPost), true
}

func isPostMessage(address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.HasSuffix(u.Path, "/"+methodPost) && strings.HasSuffix(address, methodPost)
}

func (c *Config) check() schema.Diagnostics {
	diags := append(c.webhook().Check(), c.token().Check()...)
	blame := func(name, summary string) { diags = append(diags, outbound.Blame(summary, name)) }
	switch {
	case !c.webhook().IsSet() && !c.token().IsSet():
		blame("api_url", "needs api_url or app_token, or one of their files")
	case c.webhook().IsSet() && c.token().IsSet():
		blame("app_token", "set api_url or app_token, not both")
	case c.token().IsSet() && !isPostMessage(c.AppURL):
		blame("app_url", "must end in /"+methodPost)
	case c.token().IsSet() && c.HTTP.AuthorizesItself():
		blame("http_config", "app_token is the authorization, there cannot be another")
	case c.APIURL != "" && !outbound.IsWebURL(c.APIURL):
		blame("api_url", "must be an absolute http or https URL")
	}
	if _, bot := c.bot(); bot {
		if c.Channel == "" {
			blame("channel", "a bot needs the channel to post to")
		}
		if !c.token().IsSet() && !c.HTTP.AuthorizesItself() {
			blame("api_url", methodPost+" needs app_token, or http_config with authorization")
		}
	}
	return diags
}
