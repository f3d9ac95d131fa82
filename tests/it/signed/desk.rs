//! A lab whose broker is mosquitto, an operator with keys, and the commands of docs/jobs.md.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{json, Value};
use socketman_lab::lab::Lab;
use socketman_lab::mqtt_side::{Ear, Words};
use socketman_lab::options::Options;
use socketman_lab::within::within;
use socketman_lab::{agent_binary, mosquitto};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::project;

/// The agent answers one refusal in this time.
const REJECTION_EVERY: Duration = Duration::from_secs(1);

/// A heartbeat lasts 2 s.
const SCALE: u32 = 30;

/// As the lab's router is called, and the one in the docs.
pub(crate) const MAC: &str = "94-83-C4-A1-B2-00";

/// The parts of `uci` that the docs use: what is added and deleted counts when it is committed.
const UCI: &str = r#"
staged=$file.staged
[ -f "$staged" ] || cp -p "$file" "$staged"
case $1 in
add_list)
	printf "\tlist job_pubkey '%s'\n" "${2#socketman.main.job_pubkey=}" >> "$staged"
	;;
del_list)
	grep -v -F "'${2#socketman.main.job_pubkey=}'" "$staged" > "$staged.new"
	cat "$staged.new" > "$staged"
	rm "$staged.new"
	;;
commit)
	mv "$staged" "$file"
	;;
*)
	exit 1
	;;
esac
"#;

/// The lab with an operator's directory beside it.
pub(crate) struct Desk {
    pub(crate) lab: Lab,
    pub(crate) dir: TempDir,
    ear: Ear,
    port: u16,
    _broker: Child,
}

impl Desk {
    /// The agent runs and is connected; it has no keys.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let conf = dir.path().join("mosquitto.conf");
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n\
             log_dest stderr\nlog_type all\n"
        );
        fs::write(&conf, settings).unwrap();
        let broker = mosquitto::start(&conf);
        let broker = within("mosquitto runs", broker).await.unwrap();
        let options = Options {
            broker: Some(format!("127.0.0.1:{port}")),
            ..Options::default()
        };
        let agent = agent_binary::find().await.unwrap();
        let mut lab = Lab::start(&options, agent, SCALE).await.unwrap();
        let ear = lab.mqtt.listen();
        lab.start_agent().unwrap();
        let connected = lab.status_when(|status| status["mqtt"]["connected"] == true);
        within("connection", connected).await;
        let desk = Desk {
            lab,
            dir,
            ear,
            port,
            _broker: broker,
        };
        fs::write(
            desk.file("uci.sh"),
            format!("set -e\nfile={}\n{UCI}", desk.settings().display()),
        )
        .unwrap();
        desk
    }

    /// A file of the operator's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn settings(&self) -> PathBuf {
        self.lab.program().root.join("etc/config/socketman")
    }

    /// `command` of the docs, which has `uci` and `ubus`, as this machine has them.
    pub(crate) fn here(&self, command: &str) -> String {
        let uci = format!("sh {} ", self.file("uci.sh").display());
        let ubus = format!(
            "{} ubus -s {} ",
            env!("CARGO_BIN_EXE_socketman-lab"),
            self.lab.program().ubus_socket.display()
        );
        command.replace("uci ", &uci).replace("ubus ", &ubus)
    }

    /// Runs commands on the router.
    pub(crate) async fn on_router(&self, commands: &[String]) -> String {
        let dir = self.settings();
        fs::create_dir_all(dir.parent().unwrap()).unwrap();
        if !dir.exists() {
            fs::write(&dir, "config socketman 'main'\n").unwrap();
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let script = format!("set -e\n{}", self.here(&commands.join("\n")));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).kill_on_drop(true);
        self.output(shell).await
    }

    /// Runs a program of the operator's in his directory, and returns what it prints.
    pub(crate) async fn output(&self, mut command: Command) -> String {
        command.current_dir(self.dir.path());
        let output = within("a command ends", command.output()).await.unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does what `socketman-fleet` does with these arguments, and returns what it prints.
    pub(crate) fn fleet(&self, arguments: &str, input: &str) -> Result<String, String> {
        let mut words: Vec<OsString> = vec!["socketman-fleet".into()];
        for word in arguments.split(' ') {
            words.push(match word.starts_with("op") || word.starts_with("spare") {
                true => self.file(word).into(),
                false => word.into(),
            });
        }
        let command = socketman_fleet::parse(words).unwrap();
        let mut printed = Vec::new();
        let ran = command.run(input.as_bytes(), &mut printed);
        ran.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(printed).unwrap())
    }

    /// `job` signed with the key in this file.
    pub(crate) fn signed(&self, key: &str, job: &Value) -> String {
        let arguments = format!("sign --key {key} --expires-in 3600");
        self.fleet(&arguments, &job.to_string()).unwrap()
    }

    /// The public half of the key in this file.
    pub(crate) fn public(&self, key: &str) -> String {
        let text = fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
        text.trim().to_owned()
    }

    /// Sends what is in signed.json as the docs do.
    pub(crate) async fn publish(&self, signed: &str) {
        fs::write(self.file("signed.json"), signed).unwrap();
        let command = &commands("mosquitto_pub ")[0];
        let here = command
            .replace("-h 192.168.1.10", &format!("-h 127.0.0.1 -p {}", self.port))
            .replace("sub/fleet/north/94-83-C4-A1-B2-00", &self.topic());
        let mut shell = Command::new("sh");
        shell.args(["-c", &here]).kill_on_drop(true);
        self.output(shell).await;
    }

    fn topic(&self) -> String {
        let text = fs::read_to_string(self.lab.program().config_file()).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let part = |name: &str| config[name].as_str().unwrap().to_owned();
        format!("sub/{}/{}/{}", part("topic"), part("key"), part("mac"))
    }

    /// The outcome of the job with this id.
    pub(crate) async fn outcome(&mut self, id: &str) -> Words {
        let ends = ["PROCESSED", "REJECTED", "INTERRUPTED"];
        let is_it = |words: &Words| words.id == id && ends.contains(&words.event_type.as_str());
        within(id, self.ear.wait_for(is_it)).await.unwrap()
    }

    /// Sends a job, and returns its outcome.
    pub(crate) async fn run(&mut self, id: &str, payload: &str) -> Words {
        self.publish(payload).await;
        self.outcome(id).await
    }

    /// Sends a signed command and asserts that it runs.
    pub(crate) async fn runs(&mut self, key: &str, id: &str, msg: &str) -> Words {
        let job = json!({"id": id, "device": MAC, "meta": {"msg": msg}});
        let signed = self.signed(key, &job);
        let words = self.run(id, &signed).await;
        assert_eq!(words.event_type, "PROCESSED", "{words:?}");
        assert_eq!(words.meta.success, Some(true), "{words:?}");
        words
    }

    /// Sends a signed command and asserts that it is refused; returns why.
    pub(crate) async fn is_refused(&mut self, key: &str, id: &str) -> String {
        let job = json!({"id": id, "device": MAC, "meta": {"msg": "true"}});
        let signed = self.signed(key, &job);
        self.publish(&signed).await;
        self.refusal(id).await
    }

    /// The reason for which the job with this id is refused, as soon as the next one would be answered too.
    pub(crate) async fn refusal(&mut self, id: &str) -> String {
        let words = self.outcome(id).await;
        assert_eq!(words.event_type, "REJECTED", "{words:?}");
        sleep(REJECTION_EVERY).await;
        words.meta.reason
    }

    /// Makes op.key and spare.key and gives the agent both public halves, as the docs say.
    pub(crate) async fn has_keys(&self) {
        for command in commands("socketman-fleet keygen ") {
            let arguments = command.strip_prefix("socketman-fleet ").unwrap();
            self.fleet(arguments, "").unwrap();
        }
        let mut given = commands("uci add_list ");
        given.extend(["uci commit socketman", "ubus call socketman reload"].map(str::to_owned));
        let given: Vec<_> = given
            .iter()
            .map(|command| self.with_keys(command))
            .collect();
        let said = self.on_router(&given).await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["errors"], json!([]), "{said}");
    }

    /// A command of the docs with these keys in it.
    pub(crate) fn with_keys(&self, command: &str) -> String {
        let mut command = command.to_owned();
        for (name, file) in [("OP", "op.key"), ("SPARE", "spare.key")] {
            if self.file(file).exists() {
                command = command.replace(&format!("PUBLIC-KEY-OF-{name}"), &self.public(file));
            }
        }
        command
    }
}

fn page() -> String {
    fs::read_to_string(project().join("docs/jobs.md")).unwrap()
}

/// The blocks of the page in this language.
pub(crate) fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let page = page();
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The commands of the page that start so.
pub(crate) fn commands(start: &str) -> Vec<String> {
    let page = page();
    let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
    let found: Vec<_> = lines
        .filter(|line| line.starts_with(start))
        .map(str::to_owned)
        .collect();
    assert!(!found.is_empty(), "docs/jobs.md: {start}");
    found
}

/// Mode of a file.
pub(crate) fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}
