//! tmp
#[test]
fn experiment() {
    let began = std::time::Instant::now();
    let matrix = probity::chaos::mutants::matrix().unwrap();
    println!("TOTAL {} ms", began.elapsed().as_millis());
    println!("{}", matrix.ledger());
    for gap in matrix.gaps() {
        println!("GAP {gap}");
    }
}
