//! Servers inside of a test, each on a port of its own until the test process ends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use classify::Request;
use mock::{Answer, Config, Now, Pace, Rules, State};
use probity::specs::{Overrides, load_contract};
use tokio::runtime::Builder;
use wire::serve::{BODY_TIME_MAX, Brain, Manner};

/// A server that answers every request by that function.
pub(crate) fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let brain: Brain = Arc::new(move |request, trouble| match trouble {
        None => answer(request),
        Some(trouble) => mock::trouble(1, request, trouble),
    });
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let manner =
                Manner { latency: Duration::ZERO, body_time_max: BODY_TIME_MAX, version: None };
            let any = "127.0.0.1:0".parse().unwrap();
            let server = wire::serve::start(any, brain, manner).await.unwrap();
            tell.send(server.address).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// Our mock as such a function; it takes that key alone, or any that looks like one of ours.
pub(crate) fn mock(key: Option<&str>) -> impl Fn(&Request) -> Answer + Send + Sync + use<> {
    let (_, contract) = load_contract(&Overrides::default()).unwrap();
    let now = Now::at_date(&contract.as_of).unwrap();
    let key = key.map(str::to_owned);
    let config = Config { key, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
    let state = Mutex::new(State::new());
    move |request| mock::answer(&mut state.lock().unwrap(), &contract, &config, request, now)
}
