//! A server of one file, which breaks off, changes its mind or ignores what it is asked.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The manner in which a server answers.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) file: Vec<u8>,
    pub(super) etag: Option<String>,
    /// Knows `Range`.
    pub(super) ranges: bool,
    /// Looks at `If-Match`.
    pub(super) matches: bool,
    /// Each answer ends behind so many bytes of the file.
    pub(super) cut_at: Option<usize>,
    /// Answers that end there; later ones are whole.
    pub(super) cuts: u32,
    /// This instead of the file.
    pub(super) status: Option<&'static str>,
    /// Answers with this.
    pub(super) statuses: u32,
    /// Says how long the body is.
    pub(super) says_length: bool,
}

impl Manner {
    pub(super) fn of(file: &[u8]) -> Self {
        Manner {
            file: file.to_vec(),
            etag: Some("\"one\"".to_owned()),
            ranges: true,
            matches: true,
            cut_at: None,
            cuts: 0,
            status: None,
            statuses: 0,
            says_length: true,
        }
    }
}

/// A running server; it ends when this is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    /// `Range` of each request.
    asked: Arc<Mutex<Vec<Option<String>>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(manner));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (shared, noted) = (Arc::clone(&manner), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (manner, asked) = (Arc::clone(&shared), Arc::clone(&noted));
                // A client that breaks off is meant to.
                connections.spawn(async move { drop(serve(client, &manner, &asked).await) });
            }
        });
        Server {
            address,
            manner,
            asked,
            task,
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.manner.lock().unwrap());
    }

    pub(super) fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut client: TcpStream,
    manner: &Mutex<Manner>,
    asked: &Mutex<Vec<Option<String>>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = client.read_u8().await?;
        head.push(byte);
        if head.len() > 8192 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines();
        let line = lines.find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        line
    };
    let range = header("range");
    asked.lock().unwrap().push(range.clone());
    let (answer, body) = {
        let mut manner = manner.lock().unwrap();
        answer(&mut manner, range.as_deref(), header("if-match").as_deref())
    };
    client.write_all(answer.as_bytes()).await?;
    client.write_all(&body).await?;
    client.shutdown().await
}

fn answer(manner: &mut Manner, range: Option<&str>, wanted: Option<&str>) -> (String, Vec<u8>) {
    let plain = |status: &str| {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        (answer, Vec::new())
    };
    if let Some(status) = manner.status.filter(|_| manner.statuses > 0) {
        manner.statuses -= 1;
        return plain(status);
    }
    let is_other = wanted.is_some_and(|wanted| Some(wanted) != manner.etag.as_deref());
    if manner.matches && is_other {
        return plain("412 Precondition Failed");
    }
    let size = manner.file.len();
    let from = range.filter(|_| manner.ranges);
    let from = from.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let (status, from): (_, usize) = match from {
        Some(from) if from >= size => return plain("416 Range Not Satisfiable"),
        Some(from) => ("206 Partial Content", from),
        None => ("200 OK", 0),
    };
    let mut body = manner.file[from..].to_vec();
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    if manner.says_length {
        answer += &format!("Content-Length: {}\r\n", body.len());
    }
    if status.starts_with("206") {
        answer += &format!("Content-Range: bytes {from}-{}/{size}\r\n", size - 1);
    }
    if let Some(etag) = &manner.etag {
        answer += &format!("ETag: {etag}\r\n");
    }
    if let Some(at) = manner.cut_at.filter(|_| manner.cuts > 0) {
        manner.cuts -= 1;
        body.truncate(at.saturating_sub(from));
    }
    (answer + "\r\n", body)
}
