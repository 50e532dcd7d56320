//! What both faces call: plan, deploy, run, observe; and the gate before every change.
