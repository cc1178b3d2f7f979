//! Arguments that are command lines of a shell.

/// For clap: a command with at least one word. An empty one would pass as a test without having tested anything.
pub fn parse(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("the command is empty; write it as in a shell, such as \"make test\""),
        command => Ok(command.to_owned()),
    }
}
