//! The verdicts, row by row, and the task in simulated time.

mod combinations;
mod judgement;
mod lost;
mod table;
mod task;

use super::probe::{
    Answers, Connect, Findings, Gateway, Lookup, PublicNames, Resolved, Route, Server, Web,
    WebResult,
};

/// A device whose every check, each of the default name, succeeds.
fn fine() -> Findings {
    Findings {
        at: 0,
        ms: 30,
        route: Route {
            found: true,
            device: Some("wan".into()),
            gateway: Some("8.8.4.4".parse().unwrap()),
            carrier: Some(true),
            address: Some(true),
        },
        gateways: vec![Gateway {
            address: "8.8.4.4".parse().unwrap(),
            answers: Answers::Yes,
            ms: 1,
        }],
        resolvers: Vec::new(),
        lookup: Some(Lookup {
            name: "one.one.one.one".into(),
            ms: 10,
            result: Resolved::Found,
            addresses: vec!["1.1.1.1".parse().unwrap()],
            error: None,
        }),
        connect: Some(Connect {
            to: "1.1.1.1:53".parse().unwrap(),
            ms: 10,
            error: None,
        }),
        web: Some(Web {
            url: "http://w/".into(),
            ms: 10,
            result: WebResult::Ok,
            status: Some(204),
            location: None,
            lookup: Some(Resolved::Found),
            addresses: vec!["6.6.6.6".parse().unwrap()],
            error: None,
        }),
        public: PublicNames {
            health: true,
            web: true,
        },
    }
}

/// Changes of findings, each a thing that can happen.
impl Findings {
    fn and(mut self, change: impl FnOnce(&mut Findings)) -> Self {
        change(&mut self);
        self
    }

    /// The tables have no default route; the checks are not touched.
    fn with_no_route_in_the_tables(self) -> Self {
        self.and(|found| {
            found.route.found = false;
            found.route.gateway = None;
        })
    }

    /// And there is no other way out either.
    fn without_route(self) -> Self {
        self.with_no_route_in_the_tables().resolver_dies()
    }

    /// The names are of the operator's choice.
    fn of_our_choice(self) -> Self {
        self.and(|found| found.public = PublicNames::default())
    }

    fn without_health_check(self) -> Self {
        self.and(|found| (found.lookup, found.connect) = (None, None))
    }

    fn without_web_check(self) -> Self {
        self.and(|found| found.web = None)
    }

    fn lookup_ends(self, result: Resolved) -> Self {
        self.and(|found| {
            let lookup = found.lookup.as_mut().unwrap();
            lookup.result = result;
            lookup.addresses.clear();
            found.connect = None;
        })
    }

    fn resolves_to(self, address: &str) -> Self {
        self.and(|found| {
            found.lookup.as_mut().unwrap().addresses = vec![address.parse().unwrap()];
        })
    }

    fn web_resolves_to(self, address: &str) -> Self {
        self.and(|found| {
            found.web.as_mut().unwrap().addresses = vec![address.parse().unwrap()];
        })
    }

    fn connection_fails(self) -> Self {
        self.and(|found| found.connect.as_mut().unwrap().error = Some("refused".into()))
    }

    fn web_ends(self, result: WebResult, lookup: Resolved) -> Self {
        self.and(|found| {
            let web = found.web.as_mut().unwrap();
            (web.result, web.lookup) = (result, Some(lookup));
            web.status = match result {
                WebResult::Ok => Some(204),
                WebResult::Foreign => Some(302),
                WebResult::Failed => None,
            };
            if lookup != Resolved::Found {
                web.addresses.clear();
            }
        })
    }

    fn web_fails(self) -> Self {
        self.web_ends(WebResult::Failed, Resolved::Found)
    }

    fn gateway_answers(self, answers: Answers) -> Self {
        self.and(|found| found.gateways[0].answers = answers)
    }

    /// Name servers, whether the C library asks them, and what they answered.
    fn name_servers(self, servers: &[(bool, Resolved)]) -> Self {
        self.and(|found| {
            let servers = servers.iter().map(|&(system, result)| Server {
                address: "127.0.0.1".parse().unwrap(),
                system,
                ms: 10,
                result,
                addresses: Vec::new(),
                error: None,
                own_dead: false,
            });
            found.resolvers = servers.collect();
        })
    }

    fn resolver_dies(self) -> Self {
        self.lookup_ends(Resolved::Dead)
            .web_ends(WebResult::Failed, Resolved::Dead)
    }
}
