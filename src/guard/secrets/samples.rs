//! Well-known kinds of secrets, made up at run time: which of them the scan finds.

use super::scan;

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";

/// Random characters, as services draw them; the same in each run.
struct Made(u64);

impl Made {
    fn draw(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            letters[(self.0 >> 33) as usize % letters.len()]
        };
        (0..length).map(|_| next()).collect()
    }

    /// A sample from its shape: `{c:n}` stands for n characters of the class c, everything else for itself. `~` is
    /// left out: it keeps scanners of this file from taking a prefix for a secret.
    fn fill(&mut self, shape: &str) -> String {
        let mut text = String::new();
        let mut rest = shape;
        while let Some((before, after)) = rest.split_once('{') {
            let (class, after) = after.split_once('}').unwrap();
            let (class, length) = class.split_once(':').unwrap();
            let alphabet = match class {
                "h" => "0123456789abcdef".to_owned(),
                "d" => DIGITS.to_owned(),
                "U" => format!("{UPPER}{DIGITS}"),
                "u" => format!("{UPPER}234567"),
                "l" => format!("{}{DIGITS}", UPPER.to_lowercase()),
                "a" => format!("{UPPER}{}{DIGITS}", UPPER.to_lowercase()),
                "w" => format!("{UPPER}{}{DIGITS}_-", UPPER.to_lowercase()),
                "b" => format!("{UPPER}{}{DIGITS}+/", UPPER.to_lowercase()),
                // Bech32.
                "r" => "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".to_owned(),
                "t" => "~".to_owned(),
                _ => panic!("no class {class}"),
            };
            text += &before.replace('~', "");
            text += &self.draw(&alphabet, length.parse().unwrap());
            rest = after;
        }
        text + &rest.replace('~', "")
    }
}

/// What it is, and its shape in a line that holds it.
const SAMPLES: [(&str, &str); 123] = [
    ("AWS access key", "key = AK~IA{u:16}"),
    ("AWS temporary key", "key = AS~IA{u:16}"),
    ("AWS secret key", "aws_secret_access_key = {b:40}"),
    ("GitHub personal token", "x gh~p_{a:36}"),
    ("GitHub OAuth token", "x gh~o_{a:36}"),
    ("GitHub user token", "x gh~u_{a:36}"),
    ("GitHub server token", "x gh~s_{a:36}"),
    ("GitHub refresh token", "x gh~r_{a:36}"),
    ("GitHub fine-grained token", "x github~_pat_{a:22}_{a:59}"),
    ("GitLab personal token", "x glp~at-{w:20}"),
    ("GitLab deploy token", "x gld~t-{w:20}"),
    ("GitLab runner token", "x glr~t-{w:20}"),
    ("GitLab trigger token", "x glp~tt-{h:40}"),
    ("Slack bot token", "x xox~b-{d:12}-{d:13}-{a:24}"),
    ("Slack user token", "x xox~p-{d:12}-{d:12}-{d:12}-{h:32}"),
    ("Slack app token", "x xap~p-1-A{U:10}-{d:13}-{h:64}"),
    ("Slack webhook", "x https://hooks.sl~ack.com/services/T{U:10}/B{U:10}/{a:24}"),
    ("Stripe secret key", "x sk_l~ive_{a:24}"),
    ("Stripe restricted key", "x rk_l~ive_{a:24}"),
    ("Stripe test key", "x sk_t~est_{a:24}"),
    ("Stripe webhook secret", "x wh~sec_{a:32}"),
    ("Google API key", "x AI~za{w:35}"),
    ("Google OAuth secret", "x GOC~SPX-{w:28}"),
    ("Google access token", "x ya~29.{w:120}"),
    ("Google refresh token", "refresh_token: 1/~/0{w:60}"),
    ("Firebase server key", "x AA~AA{w:7}:APA~91b{w:134}"),
    ("OpenAI project key", "x sk-~proj-{w:74}T3Blbk~FJ{w:74}"),
    ("OpenAI key", "x sk-~{a:20}T3Blbk~FJ{a:20}"),
    ("OpenAI service key", "x sk-~svcacct-{w:74}T3Blbk~FJ{w:74}"),
    ("Anthropic key", "x sk-~ant-api03-{w:93}AA"),
    ("Anthropic admin key", "x sk-~ant-admin01-{w:93}AA"),
    ("Hugging Face token", "x h~f_{a:34}"),
    ("Replicate token", "x r~8_{a:37}"),
    ("Groq key", "x g~sk_{a:52}"),
    ("Perplexity key", "x pp~lx-{a:48}"),
    ("xAI key", "x xa~i-{a:80}"),
    ("LangSmith key", "x lsv~2_pt_{h:32}_{h:10}"),
    ("Pinecone key", "x pc~sk_{a:6}_{a:64}"),
    ("Tavily key", "x tv~ly-{a:32}"),
    ("OpenRouter key", "x sk-~or-v1-{h:64}"),
    ("Weights and Biases key", "WANDB_API_KEY={h:40}"),
    ("npm token", "x np~m_{a:36}"),
    ("npm legacy token", "//registry.npmjs.org/:_authToken={h:8}-{h:4}-{h:4}-{h:4}-{h:12}"),
    ("PyPI token", "x py~pi-AgEIcHlwaS5vcmc{w:130}"),
    ("RubyGems key", "x ruby~gems_{h:48}"),
    ("crates.io token", "x ci~o{a:32}"),
    ("NuGet key", "x oy~2{l:43}"),
    ("Clojars token", "x CLO~JARS_{l:60}"),
    ("Docker Hub token", "x dck~r_pat_{w:27}"),
    ("DigitalOcean token", "x dop~_v1_{h:64}"),
    ("DigitalOcean OAuth token", "x doo~_v1_{h:64}"),
    ("Heroku key", "x HR~KU-AA{w:58}"),
    ("Heroku legacy key", "HEROKU_API_KEY={h:8}-{h:4}-{h:4}-{h:4}-{h:12}"),
    ("Twilio key", "x S~K{h:32}"),
    ("Twilio auth token", "TWILIO_AUTH_TOKEN={h:32}"),
    ("SendGrid key", "x S~G.{w:22}.{w:43}"),
    ("Mailgun key", "mailgun key-~{h:32}"),
    ("Mailchimp key", "mailchimp_key = {h:32}-us12"),
    ("Brevo key", "x xke~ysib-{h:64}-{a:16}"),
    ("Resend key", "x r~e_{a:8}_{a:24}"),
    ("Telegram bot token", "telegram_bot = {d:10}:A~A{w:33}"),
    ("Discord bot token", "DISCORD_TOKEN=M~T{a:24}.{w:6}.{w:38}"),
    ("Discord webhook", "x https://disc~ord.com/api/webhooks/{d:18}/{w:68}"),
    (
        "Teams webhook",
        "x https://acme.webhook.off~ice.com/webhookb2/{h:8}-{h:4}-{h:4}-{h:4}-{h:12}@{h:8}-{h:4}-{h:4}-{h:4}-{h:12}/IncomingWebhook/{h:32}/{h:8}-{h:4}-{h:4}-{h:4}-{h:12}",
    ),
    (
        "Azure storage key",
        "DefaultEndpointsProtocol=https;AccountName=acme;Account~Key={b:86}==;EndpointSuffix=core.windows.net",
    ),
    ("Azure client secret", "x {a:3}8Q{t:1}{w:34}"),
    (
        "Azure signature",
        "x https://acme.blob.core.windows.net/c/f?sv=2023-01-03&se=2027-01-01&sr=b&sp=r&si~g={b:43}%3D",
    ),
    ("Azure DevOps token", "AZURE_DEVOPS_PAT={l:52}"),
    ("Databricks token", "x da~pi{h:32}"),
    ("Cloudflare token", "CLOUDFLARE_API_TOKEN={w:40}"),
    ("Cloudflare origin key", "x v1.~0-{h:24}-{h:146}"),
    ("Shopify token", "x shp~at_{h:32}"),
    ("Shopify shared secret", "x shp~ss_{h:32}"),
    ("Square token", "x EA~AA{w:60}"),
    ("Square OAuth secret", "x sq0~csp-{w:43}"),
    ("Linear key", "x lin~_api_{a:40}"),
    ("Notion token", "x nt~n_{d:11}{a:35}"),
    ("Figma token", "x fig~d_{w:40}"),
    ("Postman key", "x PM~AK-{h:24}-{h:34}"),
    ("Sentry organisation token", "x sntr~ys_eyJpYXQiO{a:60}LCJyZWdpb25fdXJs{a:40}_{a:43}"),
    ("Sentry user token", "x sntr~yu_{h:64}"),
    ("Grafana service token", "x gl~sa_{a:32}_{h:8}"),
    ("Grafana cloud token", "x gl~c_eyJ{a:80}"),
    ("New Relic key", "x NR~AK-{U:27}"),
    ("New Relic ingest key", "NEW_RELIC_LICENSE_KEY={h:36}NRAL"),
    ("Datadog key", "DD_API_KEY={h:32}"),
    ("PagerDuty key", "PAGERDUTY_TOKEN=u+{w:18}"),
    ("Vault token", "x hv~s.{w:95}"),
    ("Terraform token", "x {a:14}.atl~asv1.{w:67}"),
    ("Pulumi token", "x pu~l-{h:40}"),
    ("Doppler token", "x dp.~pt.{a:43}"),
    ("JSON web token", "x ey~JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.ey~J{a:40}.{w:43}"),
    ("PEM private key", "-----BEGIN RSA PRIV~ATE KEY-----\n{b:64}\n{b:64}\n-----END RSA PRIV~ATE KEY-----"),
    ("OpenSSH private key", "-----BEGIN OPENSSH PRIV~ATE KEY-----\n{b:64}\n{b:64}\n-----END OPENSSH PRIV~ATE KEY-----"),
    ("PGP private key", "-----BEGIN PGP PRIV~ATE KEY BLOCK-----\n\n{b:64}\n-----END PGP PRIV~ATE KEY BLOCK-----"),
    ("PuTTY private key", "Private-Lines: 2\n{b:64}\n{b:64}\nPrivate-MAC: {h:40}"),
    (
        "Google service account",
        r#""private_key": "-----BEGIN PRIV~ATE KEY-----\n{b:64}\n-----END PRIV~ATE KEY-----\n""#,
    ),
    ("age key", "x AGE-SEC~RET-KEY-1{r:58}"),
    ("PostgreSQL address", "DATABASE_URL=postgres://app:{a:16}@db.example.com:5432/app"),
    ("MongoDB address", "mongodb+srv://app:{a:16}@cluster0.abcde.mongodb.net/x"),
    ("Redis address", "redis://:{a:32}@cache.example.com:6379"),
    ("basic authorization", "Authorization: Basic {b:40}"),
    ("bearer authorization", "Authorization: Bearer {w:40}"),
    (".netrc", "machine api.example.com login bob password {a:20}"),
    ("Docker configuration", r#""auths": "ghcr.io", "auth": "YWJj{b:40}""#),
    ("Kubernetes client key", "    client-key-data: LS0tLS1CRUdJTiB{b:120}"),
    ("WireGuard key", "PrivateKey = {b:43}="),
    ("Supabase token", "x sb~p_{h:40}"),
    ("Supabase secret key", "x sb_sec~ret_{w:31}"),
    ("Vercel token", "VERCEL_TOKEN={a:24}"),
    ("Netlify token", "x nf~p_{a:36}"),
    ("Fly.io token", "x FlyV1 fm~2_{b:200}"),
    ("PlanetScale token", "x pscale_t~kn_{w:43}"),
    ("Neon key", "x na~pi_{l:64}"),
    ("Tailscale key", "x tsk~ey-auth-{a:17}-{a:32}"),
    ("Atlassian token", "x ATATT3~xFfGF0{w:180}={U:8}"),
    ("Bitbucket token", "x AT~BB{a:32}{U:8}"),
    ("Dropbox token", "x s~l.B{w:140}"),
    ("Facebook token", "x EAA~CEdEose0cBA{a:120}"),
    ("Mapbox token", "x s~k.eyJ{a:80}.{w:22}"),
    ("CircleCI token", "x CCI~PAT_{a:22}_{h:40}"),
    ("Buildkite token", "x bk~ua_{h:40}"),
    ("SonarQube token", "x sq~p_{h:40}"),
];

#[test]
fn well_known_kinds_of_secrets_are_found() {
    let mut made = Made(7);
    let mut missed = Vec::new();
    for (what, shape) in SAMPLES {
        // In a shell script, in code, and in a sentence.
        let sample = made.fill(shape);
        let bare = sample.strip_prefix("x ").unwrap_or(&sample);
        let lines = [format!("{bare}\n"), format!("say \"{bare}\" then\n"), format!("used {bare} here\n")];
        let found = lines.iter().filter(|line| !scan(line.as_bytes()).is_empty()).count();
        if found < lines.len() {
            missed.push(format!("{what}: found in {found} of {} lines", lines.len()));
        }
    }
    let here = scan(include_bytes!("samples.rs"));
    assert!(here.is_empty(), "this file holds none: {here:?}");
    assert!(missed.is_empty(), "{} of {}: {missed:#?}", missed.len(), SAMPLES.len());
}
