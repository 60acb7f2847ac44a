package alert

import "github.com/tocsinhq/tocsin/core/jsonobject"

// AppendJSON appends the decision as encoding/json reads it: the members are those of the struct tags, without what
// JSON cannot say.
func (d *Decision) AppendJSON(to []byte) []byte {
	o := jsonobject.Begin(to)
	o.Time("time", d.Time)
	o.String("kind", string(d.Kind))
	o.String("cause", string(d.Cause))
	o.String("rule", d.Rule)
	if d.Fingerprint != 0 {
		o.String("fingerprint", d.Fingerprint.String())
	}
	o.Labels("labels", d.Labels)
	o.String("from", d.From)
	o.String("to", d.To)
	o.Float("value", d.Value)
	o.String("receiver", d.Receiver)
	o.String("group", d.Group)
	o.String("delivery", d.Delivery)
	o.Int("attempt", int64(d.Attempt))
	o.String("by", d.By)
	o.Time("until", d.Until)
	o.String("config", d.Config)
	o.String("reason", d.Reason)
	return o.End()
}

// append writes an alert as a record of the store, likewise.
func (a *Alert) append(to []byte) []byte {
	o := jsonobject.Begin(to)
	o.String("fingerprint", a.Fingerprint.String())
	o.String("rule", a.Rule)
	o.Labels("identity", a.Identity)
	o.Labels("labels", a.Labels)
	o.Map("annotations", a.Annotations)
	o.String("state", a.State.String())
	o.Bool("shadow", a.Shadow)
	o.Bool("unknown", a.Unknown)
	o.String("reason", a.Reason)
	o.Float("value", a.Value)
	o.Float("fireValue", a.FireValue)
	o.Float("peak", a.Peak)
	o.String("text", a.Text)
	o.String("generatorURL", a.GeneratorURL)
	o.Time("activeAt", a.ActiveAt)
	o.Time("firedAt", a.FiredAt)
	o.Time("resolvedAt", a.ResolvedAt)
	o.Time("againAt", a.AgainAt)
	o.Time("clearSince", a.ClearSince)
	o.Time("expiresAt", a.ExpiresAt)
	o.Int("held", int64(a.Held))
	o.Uint("revision", a.Revision)
	return o.End()
}
