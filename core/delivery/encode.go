package delivery

import "github.com/tocsinhq/tocsin/core/jsonobject"

// append writes a record; the fields are those of its struct tags.
func (r *record) append(to []byte) []byte {
	o := jsonobject.Begin(to)
	o.String("receiver", r.Receiver)
	o.String("group", r.Group)
	o.Labels("labels", r.Labels)
	o.Key("instances")
	o.Bytes = append(o.Bytes, '[')
	for i := range r.Instances {
		if i > 0 {
			o.Bytes = append(o.Bytes, ',')
		}
		o.Bytes = r.Instances[i].append(o.Bytes)
	}
	o.Bytes = append(o.Bytes, ']')
	o.Time("acceptedAt", r.AcceptedAt)
	o.Uint("accepted", r.Accepted)
	o.String("reference", r.Reference)
	if a := r.Attempt; a != nil {
		o.Key("attempt")
		o.Bytes = append(o.Bytes, '{')
		o.String("id", a.ID)
		o.String("hash", a.Hash)
		o.Uint("number", uint64(a.Number))
		o.Time("since", a.Since)
		o.Bool("answered", a.Answered)
		o.Bytes = append(o.Bytes, '}')
	}
	o.Bool("unknown", r.Unknown)
	o.Uint("failures", uint64(r.Failures))
	o.Time("nextAt", r.NextAt)
	o.String("error", r.Error)
	o.String("dead", r.Dead)
	return o.End()
}

func (i *Instance) append(to []byte) []byte {
	o := jsonobject.Begin(to)
	o.String("fingerprint", i.Fingerprint.String())
	o.String("status", string(i.Status))
	o.Uint("revision", i.Revision)
	o.Time("toldAt", i.ToldAt)
	o.String("rule", i.Rule)
	o.Labels("labels", i.Labels)
	o.Map("annotations", i.Annotations)
	o.Time("startsAt", i.StartsAt)
	o.Float("value", i.Value)
	o.Bool("ended", i.Ended)
	o.String("lifted", i.Lifted)
	o.String("gone", i.Gone)
	o.Time("goneAt", i.GoneAt)
	return o.End()
}
