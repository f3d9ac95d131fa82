//! The rules one by one, and what no input may do. That the reader agrees with libuci on a whole
//! collection of files is shown by the lab's test `uci`.

use std::fs;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{flock, FlockOperation};

use super::*;

fn parse(text: &str) -> Package {
    Package::parse(text.as_bytes()).unwrap()
}

fn refused(bytes: &[u8]) -> (Reason, usize) {
    let error = Package::parse(bytes).unwrap_err();
    (error.reason, error.line)
}

#[test]
fn sections_are_found_by_name_by_generated_id_and_by_type_and_number() {
    let package = parse(
        "config dnsmasq\n option leasefile '/tmp/dhcp.leases'\n list server '1.1.1.1'\n\
         config dhcp lan\n option start 100\nconfig dnsmasq second\n",
    );
    let first = package.nth("dnsmasq", 0).unwrap();
    assert_eq!(first.option("leasefile"), Some(&b"/tmp/dhcp.leases"[..]));
    assert_eq!(first.option("server"), None);
    assert_eq!(first.list("server").collect::<Vec<_>>(), [b"1.1.1.1"]);
    assert_eq!(first.list("leasefile").count(), 1);
    assert_eq!(first.list("missing").count(), 0);
    assert_eq!(package.named(&first.id), Some(first));
    assert!(first.anonymous);
    assert_eq!(&*package.nth("dnsmasq", 1).unwrap().id, "second");
    assert_eq!(package.nth("dnsmasq", 2), None);
    let lan = package.named("lan").unwrap();
    assert_eq!(lan.option("start"), Some(&b"100"[..]));
    assert_eq!(package.named("wan"), None);
}

#[test]
fn lines_are_those_where_a_command_begins() {
    let package = parse("# x\n\nconfig a b\n\toption k 'one\ntwo'\n\n\tlist l 1\n\tlist l 2\n");
    let section = package.named("b").unwrap();
    assert_eq!(section.line, 3);
    let lines: Vec<_> = section.options().iter().map(|e| e.line).collect();
    assert_eq!(lines, [4, 8]);
    let open = b"config a b\n\toption k 'one\n\toption j two\n";
    assert_eq!(refused(open), (Reason::OpenSingleQuote, 2));
}

#[test]
fn a_file_with_a_nul_is_refused_where_it_stands() {
    let text = b"config a b\n\toption k 'a\0b'\n";
    assert_eq!(refused(text), (Reason::Nul, 2));
    assert_eq!(refused(b"\0"), (Reason::Nul, 1));
}

#[test]
fn a_keyword_at_the_end_of_the_file_has_no_name() {
    for (bytes, reason) in [
        (&b"package"[..], Reason::PackageWithoutName),
        (b"c", Reason::ConfigWithoutName),
        (b"config a\noption", Reason::OptionWithoutName),
        (b"config a\nlist", Reason::OptionWithoutName),
    ] {
        assert_eq!(refused(bytes).0, reason);
    }
}

#[test]
fn an_error_says_at_which_byte_of_its_line_it_was_noticed() {
    let byte = |text: &[u8]| Package::parse(text).unwrap_err().byte;
    assert_eq!(byte(b"config a b\n\toption k 'a\0b'\n"), 12);
    assert_eq!(byte(b"a\0b"), 1);
    assert_eq!(byte(b"config a b\n\tbogus\n"), 1);
    assert_eq!(byte(b"config a b c\n"), 13);
}

#[test]
fn commands_that_libuci_refuses_are_refused_for_the_same_reason() {
    for (text, reason, line) in [
        ("config ''\n", Reason::InsufficientArguments, 1),
        ("config \n", Reason::InsufficientArguments, 1),
        ("config 'a b'\n", Reason::InvalidType, 1),
        ("config a b-c\n", Reason::InvalidName, 1),
        ("config a b c\n", Reason::TooManyArguments, 1),
        ("config a b\noption k v w\n", Reason::TooManyArguments, 2),
        ("config a b\noption k ; v\n", Reason::TooManyArguments, 2),
        ("config a b\noption ''\n", Reason::InsufficientArguments, 2),
        ("config a n\nconfig b n\n", Reason::OtherType, 2),
        ("option k v\n", Reason::NoSection, 1),
        // Before anybody looks for its name.
        ("list", Reason::NoSection, 1),
    ] {
        assert_eq!(refused(text.as_bytes()), (reason, line), "{text:?}");
    }
}

#[test]
fn a_package_may_name_itself_with_letters_digits_underscores_and_dashes() {
    assert_eq!(parse("package my-net_2\nconfig a\n").sections().len(), 1);
    for (text, reason) in [
        ("package my.net\n", Reason::InvalidName),
        ("package ''\n", Reason::InsufficientArguments),
        ("package a b\n", Reason::TooManyArguments),
    ] {
        assert_eq!(refused(text.as_bytes()), (reason, 1), "{text:?}");
    }
}

#[test]
fn a_section_without_a_name_has_the_id_that_libuci_gives_it() {
    // `uci show dhcp` on a router.
    let package = parse("config dnsmasq\nconfig dhcp lan\nconfig dnsmasq\n");
    let ids: Vec<&str> = package.sections().iter().map(|s| &*s.id).collect();
    assert_eq!(ids, ["cfg01411c", "lan", "cfg03411c"]);
}

#[test]
fn a_named_section_that_comes_again_goes_on() {
    let package = parse("config a n\noption k 1\noption l 2\nconfig b\nconfig a n\noption k 3\n");
    assert_eq!(package.sections().len(), 2);
    let section = package.named("n").unwrap();
    assert_eq!(section.line, 1);
    assert_eq!(section.option("k"), Some(&b"3"[..]));
    assert_eq!(section.option("l"), Some(&b"2"[..]));
}

#[test]
fn a_comment_begins_anywhere_but_in_quotes() {
    for text in ["v # x", "v#x", "'v'#x", "'v' #x' y"] {
        let package = parse(&format!("config a b # 'x\n\toption k {text}\n# list k x\n"));
        let section = package.named("b").unwrap();
        assert_eq!(section.option("k"), Some(&b"v"[..]), "{text}");
    }
    for text in ["'v # x'", "\"v # x\""] {
        let package = parse(&format!("config a b\n\toption k {text}\n"));
        let section = package.named("b").unwrap();
        assert_eq!(section.option("k"), Some(&b"v # x"[..]), "{text}");
    }
}

#[test]
fn several_commands_stand_on_one_line_unless_the_semicolon_touches_a_bare_word() {
    for line in [
        "config a b ; option k v ; list l x\n",
        "config a 'b'; option k 'v'; list l 'x'\n",
    ] {
        let package = parse(line);
        let section = package.named("b").unwrap();
        assert_eq!(section.option("k"), Some(&b"v"[..]), "{line}");
        assert!(section.list("l").eq([b"x"]), "{line}");
    }
    // libuci ends the word with a zero byte in the place of the semicolon, and the line with it.
    let package = parse("config a b; option k v\n");
    assert_eq!(package.named("b").unwrap().options().len(), 0);
}

#[test]
fn a_backslash_at_the_end_of_a_line_of_dos_takes_the_line_end_away() {
    let value = |text: &str| {
        let package = parse(&format!("config a b\n\toption k {text}\n"));
        let section = package.named("b").unwrap();
        section.option("k").unwrap().to_vec()
    };
    assert_eq!(value("one\\\r\ntwo"), b"onetwo");
    assert_eq!(value("one\\\ntwo"), b"onetwo");
    assert_eq!(value("\"one\\\r\ntwo\""), b"onetwo");
    assert_eq!(value("one\\\rtwo"), b"one\rtwo");
    assert_eq!(value("one\\ two"), b"one two");
}

#[test]
fn sections_and_values_are_bounded() {
    let sections = "config a\n".repeat(MAX_SECTIONS);
    assert_eq!(parse(&sections).sections().len(), MAX_SECTIONS);
    let more = sections + "config a\n";
    let line = MAX_SECTIONS + 1;
    assert_eq!(refused(more.as_bytes()), (Reason::TooManySections, line));

    let items = "config a\n".to_owned() + &"list l x\n".repeat(MAX_VALUES);
    assert_eq!(refused(items.as_bytes()).0, Reason::TooManyValues);
    let again = "config a\n".to_owned() + &"option k x\n".repeat(2 * MAX_VALUES);
    assert_eq!(parse(&again).nth("a", 0).unwrap().options().len(), 1);
}

#[test]
fn a_file_eight_times_as_long_takes_no_square_of_that_whatever_is_in_it() {
    let fill = |head: &str, piece: &dyn Fn(usize) -> String| {
        // The longest there may be, and an eighth of it.
        [1, 8].map(|part| {
            let mut text = head.to_owned();
            let mut n = 0;
            while text.len() + 32 < MAX_FILE as usize / part {
                text += &piece(n);
                n += 1;
            }
            text
        })
    };
    let cases = [
        fill("", &|n| format!("c a n{n}\n")),
        fill("c a\n", &|n| format!("o n{n} v\n")),
        fill("c a\n", &|n| format!("o n{} v\n", n % 60_000)),
        fill("", &|n| format!("c a n{}\no k v\n", n % 8000)),
        fill("c a\n", &|_| "o k 'v' ;".into()),
        fill("c a\n", &|_| "'".into()),
        fill("c a\no k '", &|_| "\n".into()),
        fill("c a\no k ", &|_| "\\\n".into()),
        fill("c a\no k \"", &|_| "\\\n".into()),
        fill("c a\n", &|_| ";".into()),
        fill("c a\no k v", &|_| " ".into()),
        fill("c a\no k ", &|_| "''".into()),
        fill("", &|_| "#".into()),
        fill("", &|_| "\n".into()),
        fill("c", &|_| "a".into()),
    ];
    for [long, short] in &cases {
        let short = cpu_time(short).max(Duration::from_millis(1));
        let times = cpu_time(long).as_secs_f64() / short.as_secs_f64();
        assert!(times > 0.0, "no time for {:?}", &long[..40]);
        // A square takes 64 times as long.
        assert!(times < 32.0, "{times} times for {:?}", &long[..40]);
    }
}

/// Processor time that the parser takes for a file. Whether it is refused is another question.
fn cpu_time(text: &str) -> Duration {
    let now = || {
        // The kernel tells the time as of its last tick, or of the last switch: this is one.
        std::thread::yield_now();
        let spent = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(spent.split(' ').next().unwrap().parse().unwrap())
    };
    let begin = now();
    let _ = Package::parse(text.as_bytes());
    now() - begin
}

#[test]
fn a_file_in_var_run_replaces_its_namesake_and_nothing_but_files_counts() {
    let root = tempfile::tempdir().unwrap();
    let directories = Directories::of(root.path(), None);
    let read = || Package::read(&directories, "p");
    let committed = root.path().join("etc/config/p");
    let replacing = root.path().join("var/run/uci/p");
    for path in [&committed, &replacing] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    let missing = read().unwrap_err();
    assert!(matches!(missing, ReadError::File(_)));
    assert_eq!(missing.line(), None);

    fs::write(root.path().join("elsewhere"), "config a linked\n").unwrap();
    std::os::unix::fs::symlink("../../elsewhere", &committed).unwrap();
    fs::create_dir(&replacing).unwrap();
    assert!(read().unwrap().named("linked").is_some());

    fs::remove_dir(&replacing).unwrap();
    fs::write(&replacing, "config a replacing\n").unwrap();
    assert!(read().unwrap().named("replacing").is_some());
    fs::write(&replacing, "\nbogus\n").unwrap();
    let bogus = read().unwrap_err();
    assert_eq!(bogus.to_string(), "invalid command");
    assert_eq!(bogus.line(), Some(2));
    fs::remove_file(&replacing).unwrap();

    let given = Directories::of(root.path(), Some(root.path().into()));
    let package = Package::read(&given, "elsewhere").unwrap();
    assert!(package.named("linked").is_some());
}

#[test]
fn a_lock_a_fifo_and_a_file_that_is_too_long_hold_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let directories = Directories::of(Path::new("/nowhere"), Some(dir.path().into()));
    let read = |name| Package::read(&directories, name);

    fs::write(dir.path().join("locked"), "config a b\n").unwrap();
    let held = fs::File::open(dir.path().join("locked")).unwrap();
    flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(read("locked").unwrap().sections().len(), 1);

    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(
        read("fifo").unwrap_err().to_string(),
        "is not a regular file"
    );

    fs::write(dir.path().join("longest"), vec![b'\n'; MAX_FILE as usize]).unwrap();
    assert_eq!(read("longest").unwrap(), Package::default());
    fs::write(dir.path().join("long"), vec![b'\n'; MAX_FILE as usize + 1]).unwrap();
    let reason = read("long").unwrap_err().to_string();
    assert_eq!(reason, "is larger than 1048576 bytes");
}

/// Sections as `uci export` would print them.
fn exported(sections: &[Written]) -> Vec<u8> {
    let mut text = b"package p\n".to_vec();
    for section in sections {
        text.extend(format!("\nconfig {}", section.kind).bytes());
        if let Some(name) = &section.name {
            text.extend(format!(" '{name}'").bytes());
        }
        text.push(b'\n');
        for (name, items, is_list) in &section.options {
            let keyword = if *is_list { "list" } else { "option" };
            for item in items {
                text.extend(format!("\t{keyword} {name} '").bytes());
                for byte in item {
                    match byte {
                        b'\'' => text.extend(b"'\\''"),
                        byte => text.push(*byte),
                    }
                }
                text.extend(b"'\n");
            }
        }
    }
    text
}

#[derive(Debug, Clone)]
struct Written {
    kind: String,
    name: Option<String>,
    options: Vec<(String, Vec<Vec<u8>>, bool)>,
}

fn option() -> impl Strategy<Value = (String, Vec<Vec<u8>>, bool)> {
    let value = || vec(1..=255u8, 1..12);
    let hostile = || prop::sample::select(b"'\"\\\n\r #;\ta".to_vec());
    let value = prop_oneof![value(), vec(hostile(), 1..12)].boxed();
    prop_oneof![
        ("[A-Za-z0-9_]{1,6}", vec(value.clone(), 1..2), Just(false)),
        ("[A-Za-z0-9_]{1,6}", vec(value, 1..4), Just(true)),
    ]
}

fn section() -> impl Strategy<Value = Written> {
    // An export prints types bare, so only what needs no quotes can be read back.
    let kind = "[!$-&(-:<-\\[\\]-~]{1,6}";
    let name = prop::option::of("[A-Za-z0-9_]{1,6}");
    (kind, name, vec(option(), 0..5)).prop_map(|(kind, name, mut options)| {
        let mut seen = std::collections::HashSet::new();
        options.retain(|option| seen.insert(option.0.clone()));
        Written {
            kind,
            name,
            options,
        }
    })
}

proptest! {
    #[test]
    fn what_uci_export_prints_reads_back_the_same(sections in vec(section(), 0..6)) {
        let mut seen = std::collections::HashSet::new();
        let sections: Vec<_> = sections
            .into_iter()
            .filter(|s| s.name.as_ref().is_none_or(|name| seen.insert(name.clone())))
            .collect();
        let package = Package::parse(&exported(&sections)).unwrap();
        prop_assert_eq!(package.sections().len(), sections.len());
        for (read, written) in package.sections().iter().zip(&sections) {
            prop_assert_eq!(&*read.kind, &written.kind);
            prop_assert_eq!(read.anonymous, written.name.is_none());
            if let Some(name) = &written.name {
                prop_assert_eq!(&*read.id, name);
            }
            prop_assert_eq!(read.options().len(), written.options.len());
            for (entry, (name, items, is_list)) in read.options().iter().zip(&written.options) {
                prop_assert_eq!(&*entry.name, name);
                prop_assert_eq!(matches!(entry.value, Value::List(_)), *is_list);
                prop_assert!(entry.value.items().eq(items.iter().map(|i| &i[..])));
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Package::parse(&bytes);
    }

    #[test]
    fn no_text_like_a_package_makes_the_reader_panic(
        text in "(((config|option|list|c|o|l|package) )?[ab'\"\\\\#; \t\r\n]{0,6}\n?){0,12}"
    ) {
        if let Err(error) = Package::parse(text.as_bytes()) {
            let lines = text.split_inclusive('\n').count();
            prop_assert!((1..=lines).contains(&error.line), "{:?}", error);
        }
    }
}
