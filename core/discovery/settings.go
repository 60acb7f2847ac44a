package discovery

import "time"

// The settings of the kinds, with the names of Prometheus' file_sd_config, http_sd_config and dns_sd_config.

type fileSettings struct {
	Files           []string      `config:"files" required:"true" doc:"Files in Prometheus' format, JSON or YAML; the last part of a path may hold one *. Changes are noticed at once."`
	RefreshInterval time.Duration `config:"refresh_interval" default:"5m" min:"1s" doc:"Read them again this often in any case."`
}

type httpSettings struct {
	URL             string        `config:"url" required:"true" format:"url" doc:"Answers with a JSON list of target groups."`
	RefreshInterval time.Duration `config:"refresh_interval" default:"1m" min:"1s" doc:"How often to ask."`

	BasicAuth       *basicAuth     `config:"basic_auth"`
	Authorization   *authorization `config:"authorization"`
	TLS             *tlsConfig     `config:"tls_config"`
	ProxyURL        string         `config:"proxy_url" format:"url" doc:"Proxy to go through."`
	FollowRedirects bool           `config:"follow_redirects" default:"true" doc:"Follow redirects."`
}

type basicAuth struct {
	Username     string `config:"username" doc:"User name."`
	Password     string `config:"password" sensitive:"true" doc:"Password."`
	PasswordFile string `config:"password_file" doc:"File with the password, read for each request."`
}

type authorization struct {
	Type            string `config:"type" default:"Bearer" doc:"First word of the Authorization header."`
	Credentials     string `config:"credentials" sensitive:"true" doc:"The rest of it."`
	CredentialsFile string `config:"credentials_file" doc:"File with the credentials, read for each request."`
}

type tlsConfig struct {
	CAFile             string `config:"ca_file" doc:"Certificates to trust, PEM; default: those of the system."`
	CertFile           string `config:"cert_file" doc:"Client certificate, PEM."`
	KeyFile            string `config:"key_file" doc:"Key of the client certificate, PEM."`
	ServerName         string `config:"server_name" doc:"Name that the certificate must carry; default: the host."`
	InsecureSkipVerify bool   `config:"insecure_skip_verify" doc:"Accept any certificate."`
}

type dnsSettings struct {
	Names           []string      `config:"names" required:"true" doc:"Names to look up."`
	Type            string        `config:"type" default:"SRV" enum:"SRV,A,AAAA,MX,NS" doc:"Records to ask for."`
	Port            int           `config:"port" min:"1" max:"65535" doc:"Port of the targets; SRV records bring their own."`
	RefreshInterval time.Duration `config:"refresh_interval" default:"30s" min:"1s" doc:"How often to ask."`
}
