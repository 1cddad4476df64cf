use contract::{corpus,spec::*,witness::Witness,reach::Reach};
fn text(n:&str)->Text{Text{name:n.into(),text:std::fs::read_to_string(format!("{}/../../specs/{n}",env!("CARGO_MANIFEST_DIR"))).unwrap()}}
fn main(){
 let c=Contract::parse(&Texts{openapi:text("openapi.yaml"),overlays:vec![text("overlay-2023-06-01.yaml")],models:text("models.toml"),source:text("SOURCE.md")}).unwrap();
 let mut w=vec![]; let dir=format!("{}/../../specs/witnesses",env!("CARGO_MANIFEST_DIR"));
 let mut fs:Vec<_>=std::fs::read_dir(dir).unwrap().map(|e|e.unwrap().file_name().into_string().unwrap()).collect(); fs.sort();
 for f in fs { w.push(Witness::parse(&text(&format!("witnesses/{f}"))).unwrap_or_else(|e|panic!("{e}"))); }
 let t=std::time::Instant::now();
 let mut r=Reach::default(); let mut n=0; let mut by=std::collections::BTreeMap::<_,usize>::new();
 let plan=corpus::Plan{seed:1,cases_max:None,heavy:false};
 for case in corpus::cases(&c,&w,plan){ n+=1; *by.entry((case.version,case.operation,case.origin.name())).or_default()+=1; if std::env::args().nth(1).as_deref()==Some("ids"){println!("{}",case.id)} if case.request.body.len()>=1<<20 {eprintln!("heavy {} {}",case.id,case.request.body.len());} r.note(&c,&case); }
 eprintln!("{n} cases {:?}",t.elapsed());
 for (k,v) in by { eprintln!("{k:?} {v}"); }
 let t=std::time::Instant::now(); let n=corpus::cases(&c,&w,plan).count(); eprintln!("again {n} {:?}",t.elapsed());
 println!("{}",r.ledger(&c));
 let wr:std::collections::BTreeSet<_>=w.iter().map(|w|w.rule.as_str()).collect();
 let rr:std::collections::BTreeSet<_>=contract::rules::all().map(|r|r.id).collect();
 println!("witness without rule: {:?}\nrule without witness: {:?}",wr.difference(&rr).collect::<Vec<_>>(),rr.difference(&wr).collect::<Vec<_>>());
}
