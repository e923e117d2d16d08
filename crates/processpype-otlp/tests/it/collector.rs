//! A collector that keeps what it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// One request to the collector.
pub(crate) struct Delivery {
    pub(crate) path: String,
    /// In lower case.
    pub(crate) head: String,
    body: Vec<u8>,
}

/// How a delivery is answered.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    media: &'static str,
    body: Vec<u8>,
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<Answer>>,
    deliveries: Receiver<Delivery>,
}

// === impl Answer ===

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, media: "application/x-protobuf", body: Vec::new() }
    }

    pub(crate) fn page() -> Self {
        Self { status: 200, media: "text/html", body: b"<html>welcome</html>".to_vec() }
    }

    /// Takes all but some.
    pub(crate) fn partial(rejected_spans: i64) -> Self {
        let error_message = "too many of you".to_owned();
        let partial = ExportTracePartialSuccess { rejected_spans, error_message };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) };
        Self { body: answer.encode_to_vec(), ..Self::status(200) }
    }
}

// === impl Collector ===

impl Collector {
    /// Answers every delivery with `answer`.
    pub(crate) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, deliveries) = channel();
        let answers = Arc::new(Mutex::new(answer));
        let next = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // One request for each connection, so that none is counted twice.
                serve(stream.unwrap(), &next, &sender);
            }
        });
        Self { address, answers, deliveries }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.answers.lock().unwrap() = answer;
    }

    /// All that has come; for after a shutdown.
    pub(crate) fn all(&self) -> Vec<Delivery> {
        self.deliveries.try_iter().collect()
    }
}

fn serve(stream: TcpStream, next: &Mutex<Answer>, sender: &Sender<Delivery>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = head.split(' ').nth(1)?.to_owned();
    sender.send(Delivery { path, head, body }).ok()?;
    let Answer { status, media, body } = next.lock().unwrap().clone();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    reader.get_mut().write_all(&[head.as_bytes(), &body].concat()).ok()
}

// === impl Delivery ===

impl Delivery {
    pub(crate) fn spans(&self) -> Vec<Span> {
        if self.path != "/v1/traces" {
            return Vec::new();
        }
        let read = ExportTraceServiceRequest::decode(&self.body[..]).unwrap();
        let scopes = read.resource_spans.into_iter().flat_map(|it| it.scope_spans);
        scopes.flat_map(|it| it.spans).collect()
    }

    pub(crate) fn records(&self) -> Vec<LogRecord> {
        if self.path != "/v1/logs" {
            return Vec::new();
        }
        let read = ExportLogsServiceRequest::decode(&self.body[..]).unwrap();
        let scopes = read.resource_logs.into_iter().flat_map(|it| it.scope_logs);
        scopes.flat_map(|it| it.log_records).collect()
    }

    /// Who logged what is in it.
    pub(crate) fn targets(&self) -> Vec<String> {
        let read = ExportLogsServiceRequest::decode(&self.body[..]).unwrap();
        let scopes = read.resource_logs.into_iter().flat_map(|it| it.scope_logs);
        scopes.filter_map(|it| Some(it.scope?.name)).collect()
    }

    /// What is said of the application.
    pub(crate) fn resource(&self) -> Vec<KeyValue> {
        let read = ExportTraceServiceRequest::decode(&self.body[..]).unwrap();
        read.resource_spans[0].resource.as_ref().unwrap().attributes.clone()
    }

    /// Whether the bytes of `text` are in it anywhere.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// The value of an attribute, as text.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == key)?;
    found.value.as_ref().map(shown)
}

pub(crate) fn shown(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
