use std::collections::BTreeMap;
use contract::{corpus,spec::*,witness::Witness,judge::*};
use classify::Observation;
fn text(n:&str)->Text{Text{name:n.into(),text:std::fs::read_to_string(format!("{}/../../specs/{n}",env!("CARGO_MANIFEST_DIR"))).unwrap()}}
fn main(){
 let c=Contract::parse(&Texts{openapi:text("openapi.yaml"),overlays:vec![text("overlay-2023-06-01.yaml")],models:text("models.toml"),source:text("SOURCE.md")}).unwrap();
 let mut w=vec![]; let dir=format!("{}/../../specs/witnesses",env!("CARGO_MANIFEST_DIR"));
 let mut fs:Vec<_>=std::fs::read_dir(dir).unwrap().map(|e|e.unwrap().file_name().into_string().unwrap()).collect(); fs.sort();
 for f in fs { w.push(Witness::parse(&text(&format!("witnesses/{f}"))).unwrap_or_else(|e|panic!("{e}"))); }
 let plan=corpus::Plan{seed:1,cases_max:None,heavy:false};
 let cfg=mock::Config{key:Some("sk-test".into()),rules:mock::Rules::All,seed:1};
 let mut state=mock::State::new(); let now=mock::Now::at_date("2026-11-22").unwrap();
 let mut drift:BTreeMap<String,(usize,String)>=BTreeMap::new(); let mut n=0; let mut times:Vec<(u64,String,u16)>=vec![]; let mut tot=std::time::Duration::ZERO; let mut tj=tot;
 for case in corpus::cases(&c,&w,plan){ n+=1;
  let mut r=case.request.clone(); for (_,v) in r.headers.0.iter_mut(){ if v.contains("$ANTHROPIC_API_KEY"){ *v=v.replace("$ANTHROPIC_API_KEY","sk-test").into(); } *v=v.trim().to_owned().into(); }
  let heavy=r.body.len()>1<<20;
  let t=std::time::Instant::now();
  let reply=mock::answer(&mut state,&c,&cfg,&r,now).into_reply();
  let el=t.elapsed(); if !heavy {tot+=el; times.push((el.as_nanos() as u64,case.id.0.clone(),reply.status));}
  let t=std::time::Instant::now();
  let obs=Observation::Reply(reply);
  let rec=judge(&c,&case,&obs); tj+=t.elapsed();
  if rec.verdict!=Verdict::Agree { let Observation::Reply(reply)=&obs else{continue}; let k=format!("{} {} {} :: {}",rec.origin,rec.rule,rec.class,rec.findings.iter().map(|f|format!("{} {} {}",f.rule,f.pointer,f.trace)).collect::<Vec<_>>().join("; ")); 
   let e=drift.entry(k).or_insert((0,format!("{} => {}",rec.id,String::from_utf8_lossy(&reply.body).chars().take(300).collect::<String>()))); e.0+=1; }
 }
 times.sort(); for p in [1,10,50,90,99]{ let x=&times[times.len()*p/100]; println!("p{p} {}us {}",x.0/1000,x.1);} for x in times.iter().rev().take(14){println!("{}us {}",x.0/1000,x.1);} let ok:Vec<_>=times.iter().filter(|x|x.2==200).collect(); let bad:Vec<_>=times.iter().filter(|x|x.2==400).collect(); println!("200 median {}us 400 median {}us",ok[ok.len()/2].0/1000,bad[bad.len()/2].0/1000);
 println!("{n} cases, mock {:.1}us judge {:.1}us",tot.as_secs_f64()*1e6/n as f64,tj.as_secs_f64()*1e6/n as f64);
 for (k,(n,e)) in drift { println!("{n} {}\n     {e}",k.chars().take(400).collect::<String>()); }
}
