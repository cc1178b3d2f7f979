//! The formats of the dashboard.

use clap::ValueEnum;

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    #[value(alias = "markdown")]
    Md,
    Json,
    Html,
}

/// How it is written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    #[value(alias = "markdown")]
    Md,
    Json,
    Html,
}

impl Format {
    /// `None` for text, which is made for a terminal.
    pub fn of_file(self) -> Option<FileFormat> {
        match self {
            Format::Text => None,
            Format::Md => Some(FileFormat::Md),
            Format::Json => Some(FileFormat::Json),
            Format::Html => Some(FileFormat::Html),
        }
    }
}

impl FileFormat {
    /// The ending of a file's name: `.md`.
    pub fn ending(self) -> &'static str {
        match self {
            FileFormat::Md => ".md",
            FileFormat::Json => ".json",
            FileFormat::Html => ".html",
        }
    }
}
