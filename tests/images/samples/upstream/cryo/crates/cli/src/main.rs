//! A sample of the extractor: prints its version and the columns of a dataset.

const COLUMNS: &[&str] = &[
    "number",
    "withdrawals_root",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => println!("cryo {}", env!("CARGO_PKG_VERSION")),
        ["help", "blocks"] => println!("{}", COLUMNS.join("\n")),
        _ => println!("usage: cryo --version | help blocks"),
    }
}
