//! docs/install.md, followed from its settings to the first report and the first job with what stands
//! there: the collector, the broker, the commands. And the broker of docs/fleet.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use socketman_lab::lab::Lab;
use socketman_lab::options::Options;
use socketman_lab::{agent_binary, mosquitto};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// The computer in the guide, and the router.
const COMPUTER: &str = "192.168.1.10";
const ROUTER: &str = "94-83-C4-A1-B2-00";

/// The blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(DOCS).join(page)).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let blocks: Vec<_> = blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect();
    assert!(!blocks.is_empty(), "{page}: {language}");
    blocks
}

/// The commands of a page that start so.
fn commands(page: &str, start: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(DOCS).join(page)).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    let found: Vec<_> = lines
        .filter(|line| line.starts_with(start))
        .map(str::to_owned)
        .collect();
    assert!(!found.is_empty(), "{page}: {start}");
    found
}

/// The options that `uci set` or `set` of a batch gives in these commands.
fn options(commands: &[String]) -> String {
    let mut settings = "config socketman 'main'\n".to_owned();
    for command in commands {
        let (_, set) = command.split_once("socketman.main.").unwrap();
        let (name, value) = set.split_once('=').unwrap();
        settings += &format!("\toption {name} {value}\n");
    }
    settings
}

/// A port nobody listens at.
fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// A program of the guide; ended when dropped.
struct Running(Child);

impl Running {
    /// Starts it; what it prints goes to a file.
    fn start(command: &mut Command, output: &Path) -> Self {
        let file = fs::File::create(output).unwrap();
        let started = command.stdin(Stdio::null()).stdout(file).spawn();
        Running(started.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Waits until a file has a line in which `wanted` stands, and returns it.
async fn line_with(file: &Path, wanted: &str) -> String {
    let looked = timeout(DEADLINE, async {
        loop {
            let text = fs::read_to_string(file).unwrap_or_default();
            let mut whole = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.find(|line| line.contains(wanted)) {
                return line.trim_end().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    looked.await.unwrap_or_else(|_| {
        let text = fs::read_to_string(file).unwrap_or_default();
        panic!("{wanted}: not in {}: {text}", file.display())
    })
}

/// A router with bus and stations, whose agent has only these UCI settings. What would leave this
/// machine is switched off.
async fn router(settings: &str) -> Lab {
    let agent = agent_binary::find().await.unwrap();
    let lab = Lab::start(&Options::default(), agent, 30).await.unwrap();
    fs::remove_file(lab.program().config_file()).unwrap();
    let root = lab.place().root();
    fs::create_dir_all(root.join("etc/config")).unwrap();
    let quiet = "\toption health_url ''\n\toption web_url ''\n";
    let file = root.join("etc/config/socketman");
    fs::write(file, format!("{settings}{quiet}")).unwrap();
    fs::write(root.join("etc/mac"), format!("{ROUTER}\n")).unwrap();
    lab
}

/// mosquitto with this configuration, in which the port is another.
async fn broker(dir: &TempDir, configuration: &str) -> (tokio::process::Child, u16) {
    let port = free_port();
    let mut configuration =
        configuration.replace("listener 1883", &format!("listener {port} 127.0.0.1"));
    configuration += "\nlog_dest stderr\nlog_type all\nuser root\n";
    let file = dir.path().join("mosquitto.conf");
    fs::write(&file, configuration).unwrap();
    (mosquitto::start(&file).await.unwrap(), port)
}

/// Runs a command of the guide against the broker of this test.
fn at_broker(command: &str, port: u16) -> Command {
    let here = command.replace(
        &format!("-h {COMPUTER}"),
        &format!("-h 127.0.0.1 -p {port}"),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {here}")]);
    shell
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

#[tokio::test]
async fn whoever_follows_the_guide_gets_a_first_report_and_a_first_job() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { dir.path().join(name) };
    let collector = &blocks("install.md", "python")[0];
    assert!(collector.lines().count() <= 40, "short enough to read");
    fs::write(at("collector.py"), collector).unwrap();
    let mut python = Command::new("python3");
    python.args(["collector.py", "0"]).current_dir(dir.path());
    let _collector = Running::start(&mut python, &at("collected"));
    let listening = line_with(&at("collected"), "listening on port ").await;
    let http = listening.rsplit(' ').next().unwrap();
    let (_broker, mqtt) = broker(&dir, &blocks("install.md", "conf")[0]).await;

    let mut settings = options(&commands("install.md", "uci set "));
    settings = settings.replace(&format!("{COMPUTER}:8080"), &format!("127.0.0.1:{http}"));
    settings = settings.replace(COMPUTER, "127.0.0.1");
    settings += &format!("\toption port '{mqtt}'\n");
    let mut lab = router(&settings).await;

    let listen = &commands("install.md", "mosquitto_sub")[0];
    let _ear = Running::start(&mut at_broker(listen, mqtt), &at("heard"));
    lab.start_agent().unwrap();
    let first = line_with(&at("collected"), " report ").await;
    assert_eq!(first, format!("{ROUTER} report 1 stations 6"));
    let connected = lab.status_when(|status| status["mqtt"]["connected"] == true);
    let status = timeout(DEADLINE, connected).await.unwrap();
    assert_eq!(status["mac"], ROUTER);
    assert_eq!(
        status["config"]["errors"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );

    let send = &commands("install.md", "mosquitto_pub")[0];
    run(&mut at_broker(send, mqtt));
    let delivered = line_with(&at("heard"), "DELIVERED").await;
    assert!(
        delivered.starts_with(&format!("delivery/fleet/north/{ROUTER} ")),
        "{delivered}"
    );
    let answer = line_with(&at("heard"), "PROCESSED").await;
    assert!(
        answer.contains("\"id\":\"job-1\"") && answer.contains("load average"),
        "{answer}"
    );
    // The collector keeps each report once.
    let kept = fs::read_to_string(at("reports.ndjson")).unwrap();
    assert!(kept.lines().next().unwrap().contains("\"seq\":1"));
}

#[tokio::test]
async fn with_the_fleets_logins_a_device_reaches_its_own_topics_and_strangers_none() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("acl"), &blocks("fleet.md", "acl")[0]).unwrap();
    for command in ["touch ", "mosquitto_passwd "] {
        for command in commands("fleet.md", command) {
            let here = command.replace("/etc/mosquitto/passwords", &at("passwords"));
            run(Command::new("sh").args(["-c", &here]));
        }
    }
    // As it stands there, without TLS, which has tests of its own.
    let configuration: String = blocks("fleet.md", "conf")[0]
        .lines()
        .filter(|line| !line.starts_with("certfile") && !line.starts_with("keyfile"))
        .map(|line| format!("{line}\n"))
        .collect();
    let configuration = configuration
        .replace("listener 8883", "listener 1883")
        .replace("/etc/mosquitto", dir.path().to_str().unwrap())
        .replace("/var/lib/mosquitto", dir.path().to_str().unwrap());
    let (_broker, port) = broker(&dir, &configuration).await;

    let only_mqtt: Vec<_> = commands("fleet.md", "set socketman.main.")
        .into_iter()
        .filter(|set| {
            !["stats_url", "tls"]
                .iter()
                .any(|name| set.contains(&format!(".{name}=")))
        })
        .collect();
    assert!(only_mqtt.len() >= 6);
    let settings = options(&only_mqtt).replace("broker.example.net", "127.0.0.1");
    let mut lab = router(&format!("{settings}\toption port '{port}'\n")).await;
    lab.start_agent().unwrap();
    let connected = lab.status_when(|status| status["mqtt"]["connected"] == true);
    timeout(DEADLINE, connected).await.unwrap();

    let login = "-h 127.0.0.1 -u operator -P SECRET-OF-THE-OPERATOR";
    let listen = format!("mosquitto_sub {login} -p {port} -v -t pub/#");
    let mut ear = Command::new("sh");
    ear.args(["-c", &format!("exec {listen}")]);
    let heard = dir.path().join("heard");
    let _ear = Running::start(&mut ear, &heard);
    let topic = format!("sub/fleet/north/{ROUTER}");
    let send = |login: &str, id: &str| {
        let job = format!("{{\"id\": \"{id}\", \"meta\": {{\"msg\": \"echo {id}\"}}}}");
        let mut publish = Command::new("mosquitto_pub");
        publish
            .args(login.split(' '))
            .args(["-p", &port.to_string()]);
        publish.args(["-q", "1", "-t", &topic, "-m", &job]);
        publish.output().unwrap()
    };
    // Nobody without a login.
    let stranger = send("-h 127.0.0.1", "stranger");
    assert!(!stranger.status.success(), "{stranger:?}");
    let sent = send(login, "operator");
    assert!(sent.status.success(), "{sent:?}");
    let answer = line_with(&heard, "PROCESSED").await;
    assert!(
        answer.starts_with(&format!("pub/fleet/north/{ROUTER} ")),
        "{answer}"
    );
    assert!(answer.contains("\"id\":\"operator\""), "{answer}");
}
