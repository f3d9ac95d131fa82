//! A machine: qemu without any help of the processor, from its start to its end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{kill_process, waitpid, Pid, Signal, WaitOptions};

use super::flash::{Memory, MEMORY, NAND, NOR, RESERVED};
use super::format::{Medium, EXT4, F2FS};
use super::nbd;
use super::patience::Patience;
use super::volume::Volume;
use crate::power::board::Board;
use crate::power::guest::PORT;
use crate::power::word::{Line, Order, Word};
use crate::power::Kind;

/// Longest wait for a machine to take orders.
const BOOT_WITHIN: Duration = Duration::from_secs(180);

/// Longest wait for it to stand still.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// For a kernel whose processor is busy with other things: it may take its timer for broken, or itself for stuck.
const UNHURRIED: &str = "no_timer_check rcupdate.rcu_cpu_stall_suppress=1";

/// Between two looks at what it says.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Words that are kept for a verdict on a cut that is wrong.
const REMEMBERED: usize = 400;

/// Parts of every machine.
#[derive(Debug, Clone)]
pub struct Parts {
    pub qemu: PathBuf,
    /// Directories with the firmware.
    pub firmware: Vec<PathBuf>,
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    /// Lines of the machines' consoles.
    pub logs: PathBuf,
}

/// A machine that runs. Dropped, it loses its power.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    /// For orders.
    port: UnixStream,
    board: Board,
    /// Bytes that were read and are not a whole line yet.
    begun: Vec<u8>,
    lines: VecDeque<Line>,
    /// The last words, each with the bytes on the board when it was there.
    heard: VecDeque<(u64, Option<Kind>, String)>,
    ext4: Arc<Volume>,
    f2fs: Arc<Volume>,
    memory: Memory,
    console: PathBuf,
    /// Sockets and memory.
    _dir: tempfile::TempDir,
}

/// A directory in memory, if there is one.
fn scratch() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
}

impl Machine {
    /// Starts a machine; `name` is that of its console's log.
    ///
    /// # Errors
    ///
    /// qemu does not start.
    pub fn start(parts: &Parts, name: &str) -> io::Result<Self> {
        let dir = scratch()?;
        let path = |name: &str| dir.path().join(name).display().to_string();
        let memory = Memory::create(Path::new(&path("memory")))?;
        let disk = |bytes| -> io::Result<Arc<Volume>> {
            Ok(Arc::new(Volume::new(bytes).beside(memory.board()?)))
        };
        let (ext4, f2fs) = (disk(EXT4)?, disk(F2FS)?);
        nbd::serve(Path::new(&path("ext4")), &ext4)?;
        nbd::serve(Path::new(&path("f2fs")), &f2fs)?;
        let listener = UnixListener::bind(path("port"))?;
        let console = parts.logs.join(format!("{name}.log"));
        // The machine ends with this process, however that ends.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL"]).arg(&parts.qemu);
        for firmware in &parts.firmware {
            qemu.arg("-L").arg(firmware);
        }
        qemu.args(["-nodefaults", "-no-user-config", "-nographic", "-no-reboot"]);
        qemu.args(["-monitor", "none", "-serial", "stdio", "-accel", "tcg"]);
        qemu.args([
            "-machine",
            "q35,smbus=off,sata=off,usb=off,graphics=off,memory-backend=memory",
        ]);
        let backend = format!(
            "memory-backend-file,id=memory,share=on,size={MEMORY},mem-path={}",
            path("memory")
        );
        qemu.arg("-object").arg(backend);
        qemu.arg("-m").arg((MEMORY >> 20).to_string());
        qemu.arg("-kernel")
            .arg(&parts.kernel)
            .arg("-initrd")
            .arg(&parts.initrd);
        qemu.arg("-append").arg(format!(
            "console=ttyS0 quiet panic=-1 {UNHURRIED} {RESERVED}"
        ));
        for name in ["ext4", "f2fs"] {
            let drive = format!(
                "file=nbd+unix:///?socket={},format=raw,if=none,id={name},cache=none",
                path(name)
            );
            let device = format!(
                "virtio-blk-pci,drive={name},logical_block_size=4096,physical_block_size=4096"
            );
            qemu.arg("-drive").arg(drive).arg("-device").arg(device);
        }
        qemu.args(["-device", "virtio-serial-pci"]);
        qemu.arg("-chardev")
            .arg(format!("socket,id=port,path={}", path("port")));
        qemu.arg("-device")
            .arg(format!("virtserialport,chardev=port,name={PORT}"));
        let log = File::create(&console)?;
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let port = accept(&listener, &mut child);
        let port = port.inspect_err(|_| {
            let _ = child.kill();
            let _ = child.wait();
        });
        let port = port?;
        port.set_write_timeout(Some(STOP_WITHIN))?;
        Ok(Machine {
            port,
            board: memory.board()?,
            child,
            begun: Vec::new(),
            lines: VecDeque::new(),
            heard: VecDeque::new(),
            ext4,
            f2fs,
            memory,
            console,
            _dir: dir,
        })
    }

    /// Waits until it takes orders.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn ready(&mut self) -> io::Result<()> {
        match self.next(BOOT_WITHIN)?.map(|line| line.word) {
            Some(Word::Ready) => Ok(()),
            other => Err(self.trouble(&format!("it said {other:?} where it should be ready"))),
        }
    }

    /// An error of the machine, with the end of what is on its console.
    pub fn trouble(&self, words: &str) -> io::Error {
        let console = fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = text.lines().collect();
        let end = lines[lines.len().saturating_sub(12)..].join("\n");
        io::Error::other(format!("{words}\n{end}"))
    }

    /// # Errors
    ///
    /// The machine is gone.
    pub fn order(&mut self, order: &Order) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.port.write_all(&line)
    }

    /// The next line, `None` if it does not come in time.
    ///
    /// # Errors
    ///
    /// The machine is gone.
    pub fn next(&mut self, within: Duration) -> io::Result<Option<Line>> {
        let mut patience = Patience::of(within);
        self.listen()?;
        while self.lines.is_empty() {
            if !patience.lasts() {
                return Ok(None);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.trouble(&format!("the machine ends with {status}")));
            }
            thread::sleep(LOOK_EVERY);
            self.listen()?;
        }
        Ok(self.lines.pop_front())
    }

    /// All lines that are there. Of a machine that stands still these are all it has said.
    ///
    /// # Errors
    ///
    /// Something that is no line of ours.
    pub fn said(&mut self) -> io::Result<Vec<Line>> {
        self.listen()?;
        Ok(self.lines.drain(..).collect())
    }

    /// Reads what is there, for later.
    ///
    /// # Errors
    ///
    /// Something that is no line of ours.
    pub fn listen(&mut self) -> io::Result<()> {
        let mut at = self.board.done();
        let bytes = self.board.read()?;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            at += part.len() as u64;
            self.begun.extend(part);
            if self.begun.ends_with(b"\n") {
                let line: Line = serde_json::from_slice(&self.begun)?;
                let text = String::from_utf8_lossy(&self.begun).trim().to_owned();
                self.begun.clear();
                self.heard.push_back((at, line.kind, text));
                self.lines.push_back(line);
            }
        }
        let old = self.heard.len().saturating_sub(REMEMBERED);
        self.heard.drain(..old);
        Ok(())
    }

    /// The last requests of a disk, among the last words of its life.
    pub fn account(&self, kind: Kind) -> String {
        let Some(volume) = self.volume(kind) else {
            return String::new();
        };
        let words = self.heard.iter().filter(|(_, of, _)| *of == Some(kind));
        let words: Vec<_> = words.map(|(at, _, text)| (*at, text.clone())).collect();
        volume.trace().beside(&words)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Has the whole machine stand still.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn freeze(&self) -> io::Result<()> {
        kill_process(self.pid(), Signal::STOP)?;
        let mut patience = Patience::of(STOP_WITHIN);
        while patience.lasts() {
            let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
            if let Some((_, status)) = waitpid(Some(self.pid()), options)? {
                return match status.stopped() {
                    true => Ok(()),
                    false => Err(self.trouble("the machine has ended")),
                };
            }
            thread::sleep(Duration::from_micros(200));
        }
        Err(self.trouble("the machine does not stand still"))
    }

    /// Has it go on.
    ///
    /// # Errors
    ///
    /// The machine is gone.
    pub fn thaw(&self) -> io::Result<()> {
        Ok(kill_process(self.pid(), Signal::CONT)?)
    }

    /// The disk of a kind, if it has one.
    pub fn volume(&self, kind: Kind) -> Option<&Volume> {
        match kind {
            Kind::Ext4 => Some(&self.ext4),
            Kind::F2fs => Some(&self.f2fs),
            Kind::Jffs2 | Kind::Ubifs => None,
        }
    }

    /// Puts a medium in. The machine may not have it mounted.
    ///
    /// # Errors
    ///
    /// The memory cannot be written.
    pub fn insert(&self, kind: Kind, medium: &Medium) -> io::Result<()> {
        match (medium, self.volume(kind)) {
            (Medium::Disk(image), Some(volume)) => volume.insert(image.clone()),
            (Medium::Flash(bytes), _) if kind == Kind::Jffs2 => self.memory.write(NOR, bytes)?,
            (Medium::Flash(bytes), _) => self.memory.write(NAND, bytes)?,
            (Medium::Disk(_), None) => return Err(io::ErrorKind::InvalidInput.into()),
        }
        Ok(())
    }

    /// A medium as a power cut now leaves it. The machine has to stand still.
    ///
    /// # Errors
    ///
    /// The memory cannot be read.
    pub fn cut(&self, kind: Kind, rng: &mut fastrand::Rng) -> io::Result<Medium> {
        Ok(match (kind, self.volume(kind)) {
            (_, Some(volume)) => Medium::Disk(volume.cut(rng)),
            (Kind::Jffs2, None) => Medium::Flash(Arc::new(self.memory.read(NOR)?)),
            (_, None) => Medium::Flash(Arc::new(self.memory.read(NAND)?)),
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ext4.release();
        self.f2fs.release();
    }
}

/// Waits for qemu to connect.
fn accept(listener: &UnixListener, child: &mut Child) -> io::Result<UnixStream> {
    listener.set_nonblocking(true)?;
    let mut patience = Patience::of(BOOT_WITHIN);
    while patience.lasts() {
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("qemu ends with {status}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(io::ErrorKind::TimedOut.into())
}
