/** Which release of each tool Headgate installs by itself, and the published sha256 of each archive. */

export type ToolName = 'temporal' | 'k6' | 'terraform' | 'victoria-metrics';

export interface ToolArchive {
  url: string;
  /** Of the archive as published, hex. Never an unpinned download: a platform without one has no entry. */
  sha256: string;
}

export interface ToolRelease {
  version: string;
  /** Where a person finds it. */
  page: string;
  /** By `process.platform-process.arch`. */
  archives: Record<string, ToolArchive>;
  /** Package for `go install`. Absent when the tool cannot be built that way. */
  goPackage?: string;
  /** How long the build takes from an empty Go cache. */
  goBuildMinutes?: number;
}

export type ToolReleases = Record<ToolName, ToolRelease>;

const TEMPORAL = 'https://github.com/temporalio/cli/releases';
const K6 = 'https://github.com/grafana/k6/releases';
const TERRAFORM = 'https://releases.hashicorp.com/terraform';

export const TOOL_RELEASES: ToolReleases = {
  temporal: {
    version: '1.5.1',
    page: TEMPORAL,
    archives: {
      'linux-x64': {
        url: `${TEMPORAL}/download/v1.5.1/temporal_cli_1.5.1_linux_amd64.tar.gz`,
        sha256: 'ddc95e08b0b076efd4ea9733a3f488eb7d2be875f8834e616cd2a37358b4852d',
      },
      'linux-arm64': {
        url: `${TEMPORAL}/download/v1.5.1/temporal_cli_1.5.1_linux_arm64.tar.gz`,
        sha256: 'bd1b0db9f18b051026de8bf6cc1505f2510f14bbb7a8b9a4a91fff46c77454f5',
      },
      'darwin-x64': {
        url: `${TEMPORAL}/download/v1.5.1/temporal_cli_1.5.1_darwin_amd64.tar.gz`,
        sha256: 'bbb73e2a31135abe50a1f1cdb35030c42961df618e8ce9c60ae89f201540c5d9',
      },
      'darwin-arm64': {
        url: `${TEMPORAL}/download/v1.5.1/temporal_cli_1.5.1_darwin_arm64.tar.gz`,
        sha256: 'cca01b7ea35ad56e2a328d9ae596bf716bd22313ef63c7a761c88354457c2415',
      },
    },
    // Later versions carry replace directives, which `go install` refuses.
    goPackage: 'github.com/temporalio/cli/cmd/temporal@v1.5.1',
    goBuildMinutes: 3,
  },
  k6: {
    version: '1.4.2',
    page: K6,
    archives: {
      'linux-x64': {
        url: `${K6}/download/v1.4.2/k6-v1.4.2-linux-amd64.tar.gz`,
        sha256: 'c827501f510265db9c3313e4164d2585a97c7a3485ed440b93f7b1cfe6facd28',
      },
      'linux-arm64': {
        url: `${K6}/download/v1.4.2/k6-v1.4.2-linux-arm64.tar.gz`,
        sha256: '0e9515502f80edb562f12c0b12a59085c0b113c6416d728e3c2a9e5a7506cc5c',
      },
      'darwin-x64': {
        url: `${K6}/download/v1.4.2/k6-v1.4.2-macos-amd64.zip`,
        sha256: 'ed79f1356fcc98ac645e6c9732def8fcd84cfeec8c6a2e92476663bda27b9550',
      },
      'darwin-arm64': {
        url: `${K6}/download/v1.4.2/k6-v1.4.2-macos-arm64.zip`,
        sha256: '93635cccab3f7c689f890218ccbb92b0440a42f1380681a7d732a072915d7b76',
      },
    },
    goPackage: 'go.k6.io/k6@v1.4.2',
    goBuildMinutes: 2,
  },
  'victoria-metrics': {
    version: '1.102.1',
    page: 'https://github.com/VictoriaMetrics/VictoriaMetrics/releases',
    // No published checksum is at hand; the build takes half a minute.
    archives: {},
    goPackage: 'github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics@v1.102.1',
    goBuildMinutes: 1,
  },
  terraform: {
    // The last release that `go install` builds: the modules of later ones carry replace directives. Any other
    // version that is on PATH does as well.
    version: '1.8.5',
    page: 'https://developer.hashicorp.com/terraform/install',
    archives: {
      'linux-x64': {
        url: `${TERRAFORM}/1.8.5/terraform_1.8.5_linux_amd64.zip`,
        sha256: 'bb1ee3e8314da76658002e2e584f2d8854b6def50b7f124e27b957a42ddacfea',
      },
      'linux-arm64': {
        url: `${TERRAFORM}/1.8.5/terraform_1.8.5_linux_arm64.zip`,
        sha256: '17b3a243ea24003a58ab324c197da8609fccae136bcb8a424bf61ec475b3a203',
      },
      'darwin-x64': {
        url: `${TERRAFORM}/1.8.5/terraform_1.8.5_darwin_amd64.zip`,
        sha256: '051c702e156a4d1a1c628783cf2ca0e1db8cca7b4c0f1686ea623558ed5560f9',
      },
      'darwin-arm64': {
        url: `${TERRAFORM}/1.8.5/terraform_1.8.5_darwin_arm64.zip`,
        sha256: '627c5005ab4a2bee36316f4967a41f16d55f79ea737f78b6bb34325c728c73e1',
      },
    },
    goPackage: 'github.com/hashicorp/terraform@v1.8.5',
    goBuildMinutes: 3,
  },
};
