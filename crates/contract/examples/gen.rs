use std::time::Instant;
use arbitrary::Unstructured;
use contract::spec::*;
use contract::version::*;
fn text(n:&str)->Text{Text{name:n.into(),text:std::fs::read_to_string(format!("{}/../../specs/{n}",env!("CARGO_MANIFEST_DIR"))).unwrap()}}
fn main(){
 let t=Instant::now();
 let c=Contract::parse(&Texts{openapi:text("openapi.yaml"),overlays:vec![text("overlay-2023-06-01.yaml")],models:text("models.toml"),source:text("SOURCE.md")}).unwrap();
 println!("parse {:?}",t.elapsed());
 for e in &c.editions { let op=e.operation(OperationId::MessagesCreate);
  let mut st=7u64; let mut bytes=vec![0u8;4096]; let mut sizes=vec![]; let mut turns=vec![]; let mut tools=0;
  let n=200_000; let t=Instant::now();
  for _ in 0..n { for ch in bytes.chunks_exact_mut(8){ st=st.wrapping_add(0x9E3779B97F4A7C15); let mut z=st; z=(z^(z>>30)).wrapping_mul(0xBF58476D1CE4E5B9); z=(z^(z>>27)).wrapping_mul(0x94D049BB133111EB); ch.copy_from_slice(&(z^(z>>31)).to_le_bytes());}
   let d=contract::generate::generate(&c,e,op,&mut Unstructured::new(&bytes)); sizes.push(d.request.body.len()); turns.push(d.traits.turns); tools+=usize::from(d.traits.tools);}
  let el=t.elapsed(); sizes.sort(); turns.sort();
  println!("{} {:.0}/s median {} p90 {} turns {} tools {:.2}",e.version,n as f64/el.as_secs_f64(),sizes[n/2],sizes[n*9/10],turns[n/2],tools as f64/n as f64);
  // validation speed
  let bodies: Vec<serde_json::Value>=(0..2000).map(|_|{ for ch in bytes.chunks_exact_mut(8){ st=st.wrapping_add(0x9E3779B97F4A7C15); let mut z=st; z=(z^(z>>30)).wrapping_mul(0xBF58476D1CE4E5B9); z=(z^(z>>27)).wrapping_mul(0x94D049BB133111EB); ch.copy_from_slice(&(z^(z>>31)).to_le_bytes());}
   let d=contract::generate::generate(&c,e,op,&mut Unstructured::new(&bytes)); serde_json::from_slice(&d.request.body.to_bytes()).unwrap()}).collect();
  let t=Instant::now(); let mut ok=0; for b in &bodies { ok+=usize::from(e.validators.request_holds(OperationId::MessagesCreate,b)); } println!("is_valid {:.2}us ok {}",t.elapsed().as_secs_f64()*1e6/2000.0,ok);
 }
}
