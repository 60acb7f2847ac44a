package alert

import "slices"

// Cause is why a decision was made, out of a closed set: what people and programs can count on. What else there is to
// say about it stands in [Decision.Reason].
type Cause string

// Of transitions: what the evidence was.
const (
	CauseHolds        Cause = "condition holds"           // it began to
	CauseHeld         Cause = "held for long enough"      // for the rule's "for"
	CauseHealthy      Cause = "found healthy"             // by the rule
	CauseUnnamed      Cause = "not named any more"        // by the rule, which saw all of its data
	CauseTargetGone   Cause = "target taken away"         // by discovery or the configuration
	CauseMissingOK    Cause = "missing counts as health"  // on_missing = "ok"
	CauseMissingFires Cause = "missing counts as trouble" // on_missing = "fire"
	CauseOverLimit    Cause = "over the limit"            // of the rule: this instance stands for the rest
	CauseWithinLimit  Cause = "within the limit again"
	CauseOverBudget   Cause = "over the page budget" // of a receiver: this alert stands for others
	CauseStormOver    Cause = "storm over"           // it stands for none any more
	CauseRuleRemoved  Cause = "rule removed"
	CausePosted       Cause = "posted"          // by others
	CauseSenderEnded  Cause = "ended by sender" // who posted it
	CauseSenderSilent Cause = "sender silent"   // its sender did not post it again
	CauseDrill        Cause = "drill"           // somebody tests a route
	CauseDrillOver    Cause = "drill over"
)

// Of data that cannot be seen, or can again.
const (
	CauseNoAnswer     Cause = "no answer from targets"
	CauseNoSeries     Cause = "no series"       // an input matches none
	CauseNotEnough    Cause = "not enough data" // says the rule
	CauseCannotTell   Cause = "rule cannot tell"
	CauseYoung        Cause = "window not filled" // after a start
	CauseRuleFailed   Cause = "rule failed"
	CauseDataBack     Cause = "data are back"
	CauseRuleWorks    Cause = "rule works again"
	CauseOvertaken    Cause = "overtaken" // by newer data, before the evaluation began
	CauseTwoVerdicts  Cause = "two verdicts"
	CauseTemplate     Cause = "template failed"
	CauseSeverity     Cause = "severity changed"
	CauseLabels       Cause = "labels changed"
	CauseReconfigured Cause = "configured anew"
)

// Of gates: what withholds an opening, and of timers: what it waits for.
const (
	CauseSilenced      Cause = "silenced"
	CauseInhibited     Cause = "inhibited"
	CauseMuted         Cause = "muted" // by a schedule
	CauseShadow        Cause = "shadow rule"
	CauseAtOnce        Cause = "due at once" // nothing to wait for
	CauseGroupWait     Cause = "group_wait"
	CauseGroupInterval Cause = "group_interval"
	CauseStorm         Cause = "summed up in the storm page"
	CauseFallback      Cause = "fallback"                   // another receiver did not accept it in time
	CauseOverBeforeDue Cause = "over before it was due"     // nobody is told
	CauseNotWanted     Cause = "not routed here any more"   // before anybody was told
	CauseNoResolves    Cause = "send_resolved is false"     // and it was over before it could be delivered
	CauseOverWithheld  Cause = "over while it was withheld" // and before it could be delivered
)

// Of notifications: why one is sent, and what became of it.
const (
	CauseFirst       Cause = "first notification"
	CauseAdded       Cause = "new alerts added"
	CauseSomeEnded   Cause = "some alerts resolved"
	CauseAllEnded    Cause = "all alerts resolved"
	CauseRepeat      Cause = "repeat interval elapsed"
	CauseRelabelled  Cause = "alert labels changed"
	CauseAccepted    Cause = "accepted"
	CauseRemembered  Cause = "accepted before the start" // of the process: its journal may have lost the line
	CauseNotAccepted Cause = "not accepted"              // and may be later
	CauseUnanswered  Cause = "no answer from receiver"
	CauseInterrupted Cause = "interrupted" // the process ended before the receiver answered
	CauseRejected    Cause = "rejected"    // for ever
)

// Of people, and of the engine itself.
const (
	CauseSilenceMade    Cause = "silence made"
	CauseSilenceChanged Cause = "silence changed"
	CauseSilenceExpired Cause = "silence expired"      // somebody ended it
	CauseSilenceOver    Cause = "silence over"         // its time ended
	CauseSilenceIdle    Cause = "nothing left to hide" // it lasted until what it hid was resolved
	CauseSilenceEnding  Cause = "silence ends soon"    // and still hides something
	CauseAcknowledged   Cause = "acknowledged"         // it also withholds
	CauseAckWithdrawn   Cause = "acknowledgement withdrawn"
	CauseAckLifted      Cause = "acknowledgement lifted" // the severity rose
	CauseAckOver        Cause = "acknowledgement over"   // what was acknowledged is resolved
	CauseAckExpired     Cause = "acknowledgement expired"
	CauseStarted        Cause = "started"
	CauseStopped        Cause = "stopped"
	CauseReloaded       Cause = "reloaded"
	CauseReloadRefused  Cause = "reload refused" // the former configuration stays
	CauseLinesLost      Cause = "lines lost"     // they came faster than the disk took them
	CauseUnwritable     Cause = "not writable"   // the journal's file
)

// causes says which causes a kind of decision can have.
var causes = map[Kind][]Cause{
	KindTransition: {
		CauseHolds, CauseHeld, CauseHealthy, CauseUnnamed, CauseTargetGone, CauseMissingOK, CauseMissingFires, CauseOverLimit,
		CauseWithinLimit, CauseOverBudget, CauseStormOver, CauseRuleRemoved, CausePosted, CauseSenderEnded, CauseSenderSilent,
		CauseDrill, CauseDrillOver,
	},
	KindBlind: {
		CauseNoAnswer, CauseNoSeries, CauseNotEnough, CauseCannotTell, CauseYoung, CauseRuleFailed,
	},
	KindSighted:    {CauseDataBack, CauseRuleWorks},
	KindRuleFailed: {CauseRuleFailed},
	KindRevised:    {CauseSeverity, CauseLabels, CauseReconfigured},
	KindTemplate:   {CauseTemplate},
	KindAmbiguous:  {CauseTwoVerdicts},
	KindSkipped:    {CauseOvertaken},
	KindDropped:    {CauseLinesLost, CauseUnwritable},
	KindGrouped: {
		CauseAtOnce, CauseGroupWait, CauseGroupInterval, CauseFallback, CauseOverBeforeDue, CauseNotWanted, CauseNoResolves, CauseOverWithheld,
	},
	KindWithheld:   {CauseSilenced, CauseInhibited, CauseMuted, CauseShadow, CauseAcknowledged, CauseStorm},
	KindLifted:     {CauseSilenced, CauseInhibited, CauseMuted, CauseShadow, CauseAcknowledged, CauseStorm},
	KindIntent:     {CauseFirst, CauseAdded, CauseSomeEnded, CauseAllEnded, CauseRepeat, CauseRelabelled},
	KindAccepted:   {CauseAccepted, CauseRemembered},
	KindRetry:      {CauseNotAccepted, CauseUnanswered, CauseInterrupted},
	KindDeadLetter: {CauseRejected},
	KindSilence: {
		CauseSilenceMade, CauseSilenceChanged, CauseSilenceExpired, CauseSilenceOver, CauseSilenceIdle, CauseSilenceEnding,
	},
	KindAck:    {CauseAcknowledged, CauseAckWithdrawn, CauseAckLifted, CauseAckOver, CauseAckExpired},
	KindEngine: {CauseStarted, CauseStopped, CauseReloaded, CauseReloadRefused},
}

// Causes are all that a decision of this kind can have; nil for a kind that there is not.
func (k Kind) Causes() []Cause { return slices.Clone(causes[k]) }

// Known tells whether a decision says why it was made: by a cause that its kind has.
func (d *Decision) Known() bool { return slices.Contains(causes[d.Kind], d.Cause) }

// Hold is what withholds the opening of an alert from a receiver; the zero value is nothing.
type Hold struct {
	Cause Cause  // one of [KindWithheld]
	By    string // silences by ID, the alert that inhibits, the schedule, or who took it
}

// Holds tells whether anything does.
func (h Hold) Holds() bool { return h.Cause != "" }

// String writes it for people: "silenced by migration".
func (h Hold) String() string {
	switch h.Cause {
	case "":
		return ""
	case CauseShadow:
		return "shadow"
	case CauseMuted:
		return "muted by schedule " + h.By
	}
	return string(h.Cause) + " by " + h.By
}
