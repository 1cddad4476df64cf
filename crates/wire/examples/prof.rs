use contract::{corpus::{self,Plan},spec::*};
use std::time::Instant;
fn text(n:&str)->Text{Text{name:n.into(),text:std::fs::read_to_string(format!("{}/../../specs/{n}",env!("CARGO_MANIFEST_DIR"))).unwrap()}}
fn main(){
 let c=Contract::parse(&Texts{openapi:text("openapi.yaml"),overlays:vec![text("overlay-2023-06-01.yaml")],models:text("models.toml"),source:text("SOURCE.md")}).unwrap();
 let plan=Plan{seed:1,cases_max:None,heavy:false};
 for _ in 0..3 {
 let t=Instant::now(); let mut n=0; let mut raw=0; let mut by=std::collections::BTreeMap::<String,(usize,u128)>::new(); let mut last=Instant::now();
 for case in corpus::cases(&c,&[],plan){ n+=1; if wire::raw::needs_raw(&case.request){raw+=1;} let e=by.entry(format!("{} {} {}",case.version,case.operation,case.origin.name())).or_default(); e.0+=1; e.1+=last.elapsed().as_micros(); last=Instant::now(); }
 println!("{n} cases {:?} raw {raw}",t.elapsed());
 for (k,v) in by { if v.1>20000 {println!("  {k} {} {}us total, {}us each",v.0,v.1,v.1/v.0 as u128);} }
 }
}
