//! From the facts of other parts to what the ladder looks at. Pure.

use std::time::Duration;

use super::ladder::{Hindrance, Permit, Sight, World};
use crate::boot::Budget;
use crate::config::{self, Recover};
use crate::health::{self, Verdict};

/// The steps that a verdict lets the ladder take.
pub(super) fn permit(verdict: Option<Verdict>, own_resolver_dead: bool) -> Permit {
    match verdict {
        Some(Verdict::NoAddress | Verdict::NoRoute | Verdict::GatewayDead) => Permit::All,
        Some(Verdict::DnsDead) => Permit::Names {
            own: own_resolver_dead,
        },
        Some(
            Verdict::Ok
            | Verdict::NoCarrier
            | Verdict::DnsHijacked
            | Verdict::CaptivePortal
            | Verdict::NoInternet
            | Verdict::ServerUnreachable,
        )
        | None => Permit::Nothing,
    }
}

/// The sight of what these facts say.
pub(super) fn sight(
    health: &health::Facts,
    settings: &config::Recovery,
    budget: Budget,
    guarded: bool,
    held: bool,
) -> Sight {
    // With gateway_dead no default route works, however many there are.
    let another = health.verdict != Some(Verdict::GatewayDead)
        && health.uplink.as_ref().is_some_and(|uplink| uplink.shared);
    let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    Sight {
        world: match health.code {
            None => World::Unknown,
            Some(0 | 1) => World::Offline,
            Some(_) => World::Online,
        },
        permit: permit(health.verdict, health.own_resolver_dead),
        proof: health.evidence.proof.is_some(),
        interface: interface(health).is_some(),
        shared: health.mwan3 || another,
        guarded,
        held,
        recover: settings.recover,
        reboot: seconds(settings.reboot),
        reboots_left: budget.left,
        rebooted: budget.rebooted,
    }
}

/// The interface that owns, or last owned, the default route.
pub(super) fn interface(health: &health::Facts) -> Option<&str> {
    let uplink = health.uplink.as_ref()?;
    Some(uplink.interface.as_str()).filter(|name| !name.is_empty())
}

/// Why no step is taken, in words.
pub(super) fn words(hindrance: Hindrance, sight: &Sight, fault: &str) -> String {
    let why = match hindrance {
        Hindrance::Off => "option recover is none",
        Hindrance::Unknown => "the state of the device is not known yet",
        Hindrance::Held => "the agent was started too often",
        Hindrance::Guarded => "a network change is being watched, or an upgrade is under way",
        Hindrance::Verdict => "no step would mend that",
        Hindrance::Exhausted => exhausted(sight),
    };
    format!("{fault}; {why}")
}

/// Why the ladder ends where it does.
fn exhausted(sight: &Sight) -> &'static str {
    if sight.shared {
        "others look after the way out"
    } else if sight.recover == Recover::Interface {
        "all steps that option recover allows were taken"
    } else if sight.permit == (Permit::Names { own: false }) {
        "the resolvers are others' and nothing more would help"
    } else if sight.rebooted {
        "all steps were taken, the reboot of this outage too"
    } else if sight.reboot == 0 {
        "all steps were taken, and option reboot allows none"
    } else {
        "all steps were taken, and no reboot is left"
    }
}
