//! Prints a UCI package in the form of `uci show`: `show FILE`.

use std::env;
use std::error::Error;
use std::path::Path;

use uci::Package;

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os()
        .nth(1)
        .ok_or("usage: show FILE, such as: show /etc/config/network")?;
    let file = Path::new(&file);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let package = Package::read_file(file)?;
    for section in package.sections() {
        println!("{name}.{}={}", section.id, section.kind);
        for option in section.options() {
            let items = option.value.items();
            let items: Vec<String> = items
                .map(|item| format!("'{}'", String::from_utf8_lossy(item)))
                .collect();
            println!("{name}.{}.{}={}", section.id, option.name, items.join(" "));
        }
    }
    Ok(())
}
