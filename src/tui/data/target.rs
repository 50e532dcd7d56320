//! Where jumps lead.

/// Something that the console can show: where to jump.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are physical names")]
pub enum Target {
    Pipeline(String),
    Bucket(String),
    /// The items of a key-value table.
    KeyTable(String),
    Job(String),
    /// The newest run of the job that failed.
    FailedRun(String),
    /// The newest crawl of the crawler.
    Crawler(String),
    /// Its newest crawl that failed.
    FailedCrawl(String),
    LogGroup(String),
    /// The last error in the group.
    LogError(String),
    /// The lines of a job's run.
    RunLog {
        group: String,
        /// Its stream, or what its streams' names begin with.
        stream: String,
        /// Whether to go to the last error among them.
        error: bool,
    },
    /// What a query over the events of the group that is open finds.
    Insights(String),
    Alert(String),
    /// What is in ALARM, of the pipeline with this name.
    Alarm(String),
    Topic(String),
    Queue(String),
    Sql(String),
    /// The releases of the pipeline with this name.
    Releases(String),
}

impl Target {
    /// The number of the pane that shows it.
    pub fn pane(&self) -> u8 {
        match self {
            Self::Pipeline(_) => 1,
            Self::Bucket(_) | Self::KeyTable(_) => 2,
            Self::Job(_) | Self::FailedRun(_) | Self::Crawler(_) | Self::FailedCrawl(_) => 3,
            Self::LogGroup(_) | Self::LogError(_) | Self::RunLog { .. } | Self::Insights(_) => 4,
            Self::Alert(_) | Self::Alarm(_) | Self::Topic(_) | Self::Queue(_) => 5,
            Self::Sql(_) => 6,
            Self::Releases(_) => 7,
        }
    }
}

/// The physical name of what goes by PIPELINE/NAME in an environment; none where it is not written like this.
pub fn physical(name: &str, env: &str) -> Option<String> {
    let (pipeline, name) = name.split_once('/')?;
    let plain = |word: &str| !word.is_empty() && !word.contains('/');
    (plain(pipeline) && plain(name)).then(|| format!("{pipeline}-{env}-{name}"))
}
