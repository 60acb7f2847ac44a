package notifier

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tocsinhq/tocsin/sdk/plugin"
	"github.com/tocsinhq/tocsin/sdk/pluginpb"
)

// Local makes one attempt with a notifier inside this process. It gets, and answers, what would come over the wire.
func Local(ctx context.Context, to Notifier, n Notification) (Result, error) {
	result, err := to.Send(ctx, fromMessage(toMessage(n)))
	if err != nil {
		return Result{}, plugin.FromStatus(plugin.ToStatus(err))
	}
	return fromResultMessage(resultMessage(result))
}

// Client calls the Notifier service of a plugin: the engine's end of the wire.
type Client struct{ rpc pluginpb.NotifierClient }

// NewClient makes a client over a connection.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{rpc: pluginpb.NewNotifierClient(conn)}
}

// Send makes one attempt. The plugin is told to be done in timeout; 0 leaves it at the deadline of ctx. Errors are
// those of [plugin.FromStatus].
func (c *Client) Send(ctx context.Context, instance string, n Notification, timeout time.Duration) (Result, error) {
	request := &pluginpb.SendRequest{InstanceId: instance, Notification: toMessage(n), TimeoutNs: int64(timeout)}
	if size := proto.Size(request); size > plugin.MaxMessage {
		return Result{}, fmt.Errorf("the notification has %d bytes, plugins take %d: send fewer alerts at once", size, plugin.MaxMessage)
	}
	response, err := c.rpc.Send(ctx, request)
	if err != nil {
		return Result{}, plugin.FromStatus(err)
	}
	return fromResultMessage(response)
}
