package config

// The alerts about the engine itself, which it raises unless the engine block says self_alerts = false.
const (
	AlertBlind          = "TocsinBlind"            // data are missing; one for each cause
	AlertRuleFailing    = "TocsinRuleFailing"      // evaluations end with an error
	AlertNeverMatched   = "TocsinRuleNeverMatched" // a rule reads what there never was
	AlertDeliveryStuck  = "TocsinDeliveryStuck"    // a receiver is not told what it should know
	AlertPluginDown     = "TocsinPluginDown"       // the process of a plugin does not work
	AlertConfigRejected = "TocsinConfigRejected"   // another configuration should run than the one that does
	AlertDegraded       = "TocsinDegraded"         // storage refuses
	AlertSilenceEnding  = "TocsinSilenceEnding"    // a silence ends soon, and what it hides still fires
)

// SelfAlerts are their names.
func SelfAlerts() []string {
	return []string{
		AlertBlind, AlertRuleFailing, AlertNeverMatched, AlertDeliveryStuck, AlertPluginDown, AlertConfigRejected, AlertDegraded,
		AlertSilenceEnding,
	}
}
