use ubus::message::{attr, Attributes, Frame};

use super::*;

/// Keeps what was sent; reads on only when told to.
#[derive(Default)]
struct Reader {
    sent: Vec<(u32, Frame)>,
    /// Messages it takes before it stops reading.
    takes: Option<usize>,
}

impl Outgoing for Reader {
    fn send(&mut self, client: u32, message: Message) {
        self.sent.push((client, message.frame));
        if let Some(left) = &mut self.takes {
            *left = left.saturating_sub(1);
        }
    }

    fn idle(&self, _: u32) -> bool {
        self.takes != Some(0)
    }
}

impl Reader {
    fn attributes(&mut self, client: u32) -> Vec<Attributes> {
        std::mem::take(&mut self.sent)
            .into_iter()
            .filter(|(to, _)| *to == client)
            .map(|(_, frame)| Attributes::parse(&frame.payload).unwrap())
            .collect()
    }
}

fn nobody() -> Credentials {
    Credentials {
        uid: 65534,
        gid: 65534,
        user: "nobody".to_owned(),
        group: "nogroup".to_owned(),
        extra_gids: vec![],
    }
}

struct Test {
    bus: Bus,
    out: Reader,
}

impl Test {
    fn new() -> Self {
        Test {
            bus: Bus::new(7, Acl::default()),
            out: Reader::default(),
        }
    }

    fn ask(&mut self, client: u32, kind: Kind, attributes: Writer) -> Vec<Attributes> {
        let message = Message::new(kind, 1, 0, attributes);
        self.bus.receive(client, message, &mut self.out);
        self.out.attributes(client)
    }

    fn publish(&mut self, client: u32, path: &[u8]) -> u32 {
        let attributes = Writer::new()
            .text(attr::OBJPATH, path)
            .nested(attr::SIGNATURE, &[]);
        self.ask(client, Kind::AddObject, attributes)[0]
            .objid
            .unwrap()
    }

    fn paths(&mut self, client: u32) -> Vec<String> {
        let listed = self.out.attributes(client).into_iter();
        listed
            .map(|attributes| match attributes.objpath {
                Some(path) => String::from_utf8(path.to_vec()).unwrap(),
                None => format!("status {}", attributes.status.unwrap()),
            })
            .collect()
    }
}

#[test]
fn ids_are_repeatable_and_never_those_of_the_daemons_objects() {
    let ids = |seed| {
        let mut bus = Bus::new(seed, Acl::default());
        let ids = (0..1000).map(|_| bus.admit(Credentials::root()));
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(3), ids(3));
    assert_ne!(ids(3), ids(4));
    assert!(ids(3).iter().all(|id| *id >= FIRST_ID));
}

#[test]
fn a_lookup_goes_on_where_it_stopped_even_if_that_object_is_gone() {
    let mut test = Test::new();
    let service = test.bus.admit(Credentials::root());
    let objects: Vec<u32> = [b"a", b"b", b"c", b"d"]
        .map(|path| test.publish(service, path))
        .into();
    let client = test.bus.admit(Credentials::root());
    test.out.takes = Some(2);
    let lookup = Message::new(Kind::Lookup, 1, 0, Writer::new());
    test.bus.receive(client, lookup, &mut test.out);
    assert_eq!(test.paths(client), ["a", "b"]);
    test.out.takes = None;
    for gone in [1, 2] {
        let attributes = Writer::new().word(attr::OBJID, objects[gone]);
        test.ask(service, Kind::RemoveObject, attributes);
    }
    test.bus.resume(client, &mut test.out);
    assert_eq!(test.paths(client), ["d", "status 0"]);
    test.bus.resume(client, &mut test.out);
    assert!(test.out.sent.is_empty());
}

#[test]
fn subscribing_without_permission_looks_like_nobody_is_there() {
    let mut test = Test::new();
    let service = test.bus.admit(Credentials::root());
    let target = test.publish(service, b"svc");
    let client = test.bus.admit(nobody());
    let own = test.ask(client, Kind::AddObject, Writer::new())[0]
        .objid
        .unwrap();
    let attributes = Writer::new()
        .word(attr::OBJID, own)
        .word(attr::TARGET, target);
    let answer = test.ask(client, Kind::Subscribe, attributes);
    assert_eq!(answer[0].status, Some(Status::NOT_FOUND.0));
}

#[test]
fn events_cannot_be_registered_for_an_object_of_somebody_else() {
    let mut test = Test::new();
    let service = test.bus.admit(Credentials::root());
    let object = test.publish(service, b"svc");
    let client = test.bus.admit(Credentials::root());
    let mut data = Writer::new();
    data.member(Type::Int32, b"object", &object.to_be_bytes());
    data.string(b"pattern", b"*");
    let attributes = Writer::new()
        .word(attr::OBJID, system_object::EVENT)
        .text(attr::METHOD, b"register")
        .nested(attr::DATA, &data.into_bytes());
    let answer = test.ask(client, Kind::Invoke, attributes);
    assert_eq!(answer[0].status, Some(Status::PERMISSION_DENIED.0));
}

#[test]
fn the_counter_of_events_wraps() {
    let mut test = Test::new();
    test.bus.event_seq = u16::MAX;
    let client = test.bus.admit(Credentials::root());
    let object = test.publish(client, b"listener");
    let mut data = Writer::new();
    data.member(Type::Int32, b"object", &object.to_be_bytes());
    data.string(b"pattern", b"ubus.object.add");
    let attributes = Writer::new()
        .word(attr::OBJID, system_object::EVENT)
        .text(attr::METHOD, b"register")
        .nested(attr::DATA, &data.into_bytes());
    test.ask(client, Kind::Invoke, attributes);
    let message = Message::new(
        Kind::AddObject,
        1,
        0,
        Writer::new().text(attr::OBJPATH, b"new"),
    );
    test.bus.receive(client, message, &mut test.out);
    assert_eq!(test.out.sent[0].1.kind, Kind::Invoke as u8);
    assert_eq!(test.out.sent[0].1.seq, 0);
}

#[test]
fn nothing_is_left_of_a_client_that_goes() {
    let mut test = Test::new();
    let service = test.bus.admit(Credentials::root());
    let target = test.publish(service, b"svc");
    let client = test.bus.admit(Credentials::root());
    let own = test.publish(client, b"own");
    let attributes = Writer::new()
        .word(attr::OBJID, own)
        .word(attr::TARGET, target);
    test.ask(client, Kind::Subscribe, attributes);
    test.out.sent.clear();
    test.bus.disconnect(client, &mut test.out);
    let told = test.out.attributes(service);
    assert_eq!((told.len(), told[0].active), (1, Some(false)));
    test.bus.disconnect(service, &mut test.out);
    let own_objects = 3;
    assert_eq!(test.bus.objects.len(), own_objects);
    assert!(test.bus.clients.is_empty() && test.bus.types.is_empty());
    assert!(test.bus.paths.is_empty() && test.bus.patterns.is_empty());
}
